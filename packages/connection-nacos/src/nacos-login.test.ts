import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { NacosHttp, NacosRequest, NacosResponse } from './nacos-http.ts'
import { createNacosLogin, type NacosLogin } from './nacos-login.ts'

const endpoint = { secure: false, host: 'nacos', port: 8848 }
const ok = (token: string): NacosResponse => ({
  status: 200,
  headers: {},
  text: JSON.stringify({ accessToken: token, tokenTtl: 100 }),
})

describe('login', () => {
  const sent: NacosRequest[] = []
  const responses: NacosResponse[] = []
  const http: NacosHttp = {
    async send(_, request) {
      sent.push(request)
      return responses.shift() ?? { status: 503, headers: {}, text: '' }
    },
    close: () => undefined,
  }
  let login: NacosLogin
  beforeEach(() => {
    vi.useFakeTimers()
    sent.length = 0
    responses.length = 0
    login = createNacosLogin({ http, credentials: { username: 'u', password: 'p' }, timeoutMs: 1_000, name: 'nacos' })
  })
  afterEach(() => void vi.useRealTimers())

  test('many callers share one login, which is repeated before its token expires', async () => {
    responses.push(ok('a'), ok('b'))
    expect(await Promise.all([login.token(endpoint), login.token(endpoint)])).toEqual(['a', 'a'])
    vi.advanceTimersByTime(79_000)
    expect(await login.token(endpoint)).toBe('a')
    vi.advanceTimersByTime(2_000)
    expect(await login.token(endpoint)).toBe('b')
    expect(sent).toHaveLength(2)
    expect(sent[0]).toMatchObject({ method: 'POST', params: { username: 'u', password: 'p' } })
  })

  test('a refused token is dropped, unless there is a newer one', async () => {
    responses.push(ok('a'), ok('b'))
    login.forget(await login.token(endpoint))
    expect(await login.token(endpoint)).toBe('b')
    login.forget('a')
    expect(await login.token(endpoint)).toBe('b')
  })

  test('older servers have another path for the login', async () => {
    responses.push({ status: 404, headers: {}, text: '' }, ok('a'))
    expect(await login.token(endpoint)).toBe('a')
    expect(sent.map(({ path }) => path)).toEqual(['/nacos/v3/auth/user/login', '/nacos/v1/auth/login'])
  })

  test('a refusal does not show the request, and is final unless a login worked before', async () => {
    const refused = { status: 403, headers: {}, text: 'wrong: p-secret' }
    responses.push(refused)
    await assert.rejects(login.token(endpoint), { code: 'SD_DENIED' })
    vi.advanceTimersByTime(11_000)
    responses.push(refused)
    await assert.rejects(login.token(endpoint), (error: Error & { code?: string; retryable?: boolean }) => {
      expect([error.code, error.retryable]).toEqual(['SD_DENIED', false])
      expect(error.message).not.toContain('p-secret')
      return true
    })
    responses.push({ status: 500, headers: {}, text: '{"message":"No message available"}' })
    await assert.rejects(login.token(endpoint), { code: 'SD_DENIED', retryable: true })
    responses.push({ status: 500, headers: {}, text: 'caused: User u not found;' })
    await assert.rejects(login.token(endpoint), { code: 'SD_DENIED', retryable: true })
    responses.push({ status: 500, headers: {}, text: 'database away' })
    await assert.rejects(login.token(endpoint), { code: 'SD_UNAVAILABLE', retryable: true })
    responses.push(ok('a'), refused)
    login.forget(await login.token(endpoint))
    await assert.rejects(login.token(endpoint), { code: 'SD_DENIED', retryable: true })
  })

  test('a server that refuses every login while it starts is tried again', async () => {
    const starting = { status: 403, headers: {}, text: 'Access Denied' }
    responses.push(starting, starting, ok('a'))
    for (let second = 0; second < 2; second++) {
      await assert.rejects(login.token(endpoint), { code: 'SD_DENIED', retryable: true })
      vi.advanceTimersByTime(1_500)
    }
    expect(await login.token(endpoint)).toBe('a')
  })

  test('a response without a token is malformed', async () => {
    responses.push({ status: 200, headers: {}, text: '{}' }, { status: 200, headers: {}, text: 'hello' })
    await assert.rejects(login.token(endpoint), { code: 'SD_MALFORMED' })
    await assert.rejects(login.token(endpoint), { code: 'SD_MALFORMED' })
  })
})

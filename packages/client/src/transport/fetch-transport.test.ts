import { createEndpoint, createServiceInstance, judgeOutcome, SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import { createFetchTransport } from '../index.ts'
import { send } from '../testing/recording-handler.ts'
import type { TransportRequest } from './transport.ts'

const endpoint = createEndpoint(
  createServiceInstance({ service: 'orders', id: 'a', address: '127.0.0.1', port: 9, protocol: 'http' }),
)
const get: TransportRequest = { method: 'GET', path: '/', headers: {}, body: null }

function sendWith(
  fetch: typeof globalThis.fetch,
  request: Partial<TransportRequest> = {},
  pause?: { readonly pauseAfter: number },
) {
  return send(createFetchTransport({ fetch }), endpoint, { ...get, ...request }, pause)
}

describe('a request that fetch would change or reject', () => {
  test.each<[string, Partial<TransportRequest>]>([
    ['the method TRACE', { method: 'TRACE' }],
    ['the method TRACK', { method: 'TRACK' }],
    ['the method CONNECT', { method: 'CONNECT' }],
    ['a GET with a body', { body: 'x' }],
    ['a GET with a body', { body: Buffer.from('x') }],
    ['a GET with a body', { pushed: true }],
    ['a HEAD with a body', { method: 'HEAD', body: 'x' }],
    ['a path with the segment . or ..', { path: '/a/../b' }],
    ['a path with the segment . or ..', { path: '/a/%2E%2e?x=1' }],
    ['a path with the segment . or ..', { path: '/.' }],
    ['an upgrade', { upgrade: 'websocket' }],
    ['a serverName', { serverName: 'orders.internal' }],
  ])('is unsupported and not sent: %s %j', async (what, request) => {
    const fetch = vi.fn()
    const { recorded } = sendWith(fetch, request)
    await recorded.ended
    expect(recorded.error).toMatchObject({
      code: 'SD_UNSUPPORTED',
      origin: 'caller',
      message: `fetch can't send ${what}; the undici transport can`,
    })
    expect([fetch.mock.calls.length, recorded.sent]).toEqual([0, false])
    expect(judgeOutcome({ ok: false, error: recorded.error })).toBe('neutral')
  })

  test.each<[string, Partial<TransportRequest>]>([
    ['an empty body', { body: '' }],
    ['empty bytes', { body: new Uint8Array() }],
    ['dots within a segment', { path: '/a..b/.c/...' }],
    ['dots in the query', { path: '/a?b=/../c' }],
  ])('is not one with %s', async (_, request) => {
    const fetch = vi.fn(async () => new Response('ok'))
    const { recorded } = sendWith(fetch, request)
    await recorded.ended
    expect([recorded.text, fetch.mock.calls.length]).toEqual(['ok', 1])
  })
})

describe('a response of fetch', () => {
  test('has its cookies one by one, and raw fields as far as fetch keeps them', async () => {
    const headers = new Headers([
      ['Set-Cookie', 'a=1'],
      ['Set-Cookie', 'b=2'],
      ['X-A', '1'],
    ])
    const { exchange, recorded } = sendWith(async () => new Response(null, { status: 204, headers }))
    expect(exchange.rawHeaders).toEqual([])
    await recorded.ended
    expect([recorded.status, recorded.headers, recorded.isComplete]).toEqual([
      204,
      { 'set-cookie': ['a=1', 'b=2'], 'x-a': '1' },
      true,
    ])
    expect(exchange.rawHeaders).toEqual(['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-a', '1'])
  })

  test('with one cookie has it as text', async () => {
    const { recorded } = sendWith(async () => new Response(null, { headers: [['set-cookie', 'a=1']] }))
    await recorded.ended
    expect(recorded.headers).toEqual({ 'set-cookie': 'a=1' })
  })

  test('is read only as far as the caller wants', async () => {
    const parts = ['a', 'b', 'c']
    let pulled = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const part = parts[pulled++]
          if (part === undefined) controller.close()
          else controller.enqueue(Buffer.from(part))
        },
      },
      { highWaterMark: 0 },
    )
    const { exchange, recorded } = sendWith(async () => new Response(body), {}, { pauseAfter: 1 })
    await vi.waitFor(() => expect(recorded.text).toBe('a'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(pulled).toBe(1)
    recorded.pauseAfter = 10
    exchange.resume()
    await recorded.ended
    expect([recorded.text, recorded.isComplete]).toEqual(['abc', true])
  })

  test('that arrives after an abort is dropped, and the request is aborted', async () => {
    const late = Promise.withResolvers<Response>()
    let signal: AbortSignal | null | undefined
    const { exchange, recorded } = sendWith((_, init) => {
      signal = init?.signal
      return late.promise
    })
    const reason = new SdError('SD_ABORTED', 'not needed')
    exchange.abort(reason)
    await recorded.ended
    late.resolve(new Response('late'))
    await new Promise((resolve) => setImmediate(resolve))
    expect([recorded.error, recorded.status, recorded.sent, signal?.reason]).toEqual([reason, undefined, false, reason])
  })
})

describe('the peer may have seen the request', () => {
  const refused = Object.assign(new TypeError('fetch failed'), {
    cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' }),
  })
  test.each([
    ['unless no connection was made', refused, false],
    ['if the connection broke', Object.assign(new TypeError('fetch failed'), { cause: new Error('other side closed') }), true],
  ])('%s', async (_, error, expected) => {
    const { recorded } = sendWith(() => Promise.reject(error))
    await recorded.ended
    expect([recorded.error?.code, recorded.sent]).toEqual(['SD_UNAVAILABLE', expected])
  })
})

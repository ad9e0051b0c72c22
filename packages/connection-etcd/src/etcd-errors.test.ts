import { describe, expect, test, vi } from 'vitest'
import { codeOf, toEtcdError } from './etcd-errors.ts'
import { createMemberPolicies, isSilence } from './member-policies.ts'

test.each([
  ['7 PERMISSION_DENIED: etcdserver: permission denied', 'SD_DENIED', false],
  ['16 UNAUTHENTICATED: etcdserver: invalid auth token', 'SD_DENIED', false],
  ['3 INVALID_ARGUMENT: etcdserver: user name is empty', 'SD_DENIED', false],
  ['3 INVALID_ARGUMENT: etcdserver: revision of auth store is old', 'SD_DENIED', false],
  ['3 INVALID_ARGUMENT: etcdserver: request is too large', 'SD_TOO_LARGE', false],
  ['12 UNIMPLEMENTED: unknown service', 'SD_UNSUPPORTED', false],
  ['8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded', 'SD_UNAVAILABLE', true],
  ['8 RESOURCE_EXHAUSTED: etcdserver: too many requests', 'SD_UNAVAILABLE', true],
  ['14 UNAVAILABLE: etcdserver: no leader', 'SD_UNAVAILABLE', true],
  ['14 UNAVAILABLE: open /var/lib/etcd/member: permission denied', 'SD_UNAVAILABLE', true],
  ['13 INTERNAL: a proxy says: auth token too large', 'SD_UNAVAILABLE', true],
  ['something else: permission denied', 'SD_UNAVAILABLE', true],
])('%s is %s', (message, code, retryable) => {
  expect(toEtcdError(new Error(message), 'etcd')).toMatchObject({ code, retryable })
})

test('a refusal names the prefix and a hint, a full database the remedy', () => {
  const refused = toEtcdError(new Error('7 PERMISSION_DENIED: etcdserver: permission denied'), 'etcd', '/shop')
  expect(refused.message).toContain('"readwrite" on the prefix "/shop"')
  expect(toEtcdError(new Error('8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded'), 'etcd').message).toContain(
    'alarm disarm',
  )
})

test('the code is read from the error, or from its message', () => {
  expect(codeOf(Object.assign(new Error('x'), { code: 14 }))).toBe(14)
  expect(codeOf(new Error('GRPCUnavailableError: 14 UNAVAILABLE: x'))).toBe(14)
  expect([codeOf(new Error('x')), codeOf('x')]).toEqual([undefined, undefined])
})

describe('members', () => {
  const silence = new Error('4 DEADLINE_EXCEEDED: Deadline exceeded')
  const respond = async (): Promise<string> => 'answer'

  test('that did not respond are tried last for a while, and at once if none is better', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const { host } = createMemberPolicies(['a', 'b'], () => undefined)
    const [a, b] = [host('a'), host('b')]
    await expect(a.execute(() => Promise.reject(silence))).rejects.toBe(silence)
    const refused = await a.execute(respond).catch((error: unknown) => error)
    expect(isSilence(refused)).toBe(true)
    expect(await b.execute(respond)).toBe('answer')
    vi.advanceTimersByTime(6_100)
    expect(await a.execute(respond)).toBe('answer')
    await expect(a.execute(() => Promise.reject(silence))).rejects.toBe(silence)
    await expect(b.execute(() => Promise.reject(silence))).rejects.toBe(silence)
    expect(await a.execute(respond)).toBe('answer')
    vi.useRealTimers()
  })

  test('are not avoided after a refusal, and a call tries each once', async () => {
    const { host, global } = createMemberPolicies(['a', 'b', 'c'], () => undefined)
    const denied = new Error('7 PERMISSION_DENIED: etcdserver: permission denied')
    await expect(host('a').execute(() => Promise.reject(denied))).rejects.toBe(denied)
    expect(await host('a').execute(respond)).toBe('answer')
    const run = vi.fn(() => Promise.reject(silence))
    await expect(global.execute(run)).rejects.toBe(silence)
    expect(run).toHaveBeenCalledTimes(3)
    const refuse = vi.fn(() => Promise.reject(denied))
    await expect(global.execute(refuse)).rejects.toBe(denied)
    expect(refuse).toHaveBeenCalledTimes(1)
  })
})

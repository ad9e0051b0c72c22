import { type AttemptResult, type CallContext, createRetryBudget, type RetryPolicy, SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createRetryPolicy, type RetryPolicyOptions } from './index.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Delays of exactly 10 ms. */
const steady: RetryPolicyOptions = { backoff: { kind: 'fixed', delayMs: 10, jitter: 0 } }
const unavailable = new SdError('SD_UNAVAILABLE', 'reset')

function createCall(change: Partial<CallContext> = {}): CallContext {
  const { signal } = new AbortController()
  const deadlineAt = Number.POSITIVE_INFINITY
  const startedAt = performance.now()
  return { service: 'orders', method: 'GET', path: '/', headers: {}, startedAt, deadlineAt, signal, ...change }
}

function judge(policy: RetryPolicy, change: Partial<AttemptResult>): number | undefined {
  return policy.next({ call: createCall(), attempt: 1, sent: true, replayable: true, ...change })
}

function responded(status: number, headers: Record<string, string | string[]> = {}): Partial<AttemptResult> {
  return { response: { status, headers } }
}

describe('retry conditions', () => {
  const post = createCall({ method: 'POST' })
  const keyed = createCall({ method: 'POST', headers: { 'idempotency-key': '7' } })
  const emptyKeyed = createCall({ method: 'POST', headers: { 'idempotency-key': ' ' } })
  test.each<[string, RetryPolicyOptions, Partial<AttemptResult>, boolean]>([
    ['a good response', {}, responded(200), false],
    ['a POST with an empty idempotency key', {}, { ...responded(503), call: emptyKeyed }, false],
    ['503', {}, responded(503), true],
    ['500', {}, responded(500), false],
    ['a status of the list', { statuses: [404] }, responded(404), true],
    ['a status that is not in the list', { statuses: [404] }, responded(503), false],
    ['a retryable error', {}, { error: unavailable }, true],
    ['the caller’s own error', {}, { error: new SdError('SD_UNAVAILABLE', 'x', { origin: 'caller' }) }, false],
    ['an error of this process', {}, { error: new SdError('SD_REJECTED', 'x') }, false],
    [
      'the caller’s own error, though its code is in the list',
      { errorCodes: ['SD_ABORTED'] },
      { error: new SdError('SD_ABORTED', 'x') },
      false,
    ],
    ['the caller’s own error, if when allows it', { when: () => true }, { error: new SdError('SD_REJECTED', 'x') }, true],
    ['another error', {}, { error: new SdError('SD_DENIED', 'no') }, false],
    ['an error of the list', { errorCodes: ['SD_DENIED'] }, { error: new SdError('SD_DENIED', 'no') }, true],
    ['an error that is not in the list', { errorCodes: ['SD_TIMEOUT'] }, { error: unavailable }, false],
    ['neither response nor error', {}, {}, false],
    ['POST', {}, { ...responded(503), call: post }, false],
    ['POST that was not sent', {}, { error: unavailable, call: post, sent: false }, true],
    ['POST, if methods includes it', { methods: ['post'] }, { ...responded(503), call: post }, true],
    ['GET, if methods excludes it', { methods: ['post'] }, responded(503), false],
    ['any method, with methods: all', { methods: 'all' }, { ...responded(503), call: post }, true],
    ['POST with an idempotency key', {}, { ...responded(503), call: keyed }, true],
    ['POST with a key while idempotencyHeader is off', { idempotencyHeader: false }, { ...responded(503), call: keyed }, false],
    ['POST with a key of another name', { idempotencyHeader: 'X-Key' }, { ...responded(503), call: keyed }, false],
    ['a body that was sent and cannot be sent again', {}, { ...responded(503), replayable: false }, false],
    [
      'a body that cannot be sent again, with any method',
      { methods: 'all' },
      { ...responded(503), call: post, replayable: false },
      false,
    ],
    ['a body that was not sent', {}, { error: unavailable, replayable: false, sent: false }, true],
    [
      'a header that asks for it',
      { headers: { 'X-Again': { value: 'yes', retry: true } } },
      responded(500, { 'x-again': 'yes' }),
      true,
    ],
    ['a header of several values', { headers: { a: { value: 'b', retry: true } } }, responded(500, { a: ['x', 'b'] }), true],
    [
      'a header of several other values',
      { headers: { a: { value: 'b', retry: true } } },
      responded(500, { a: ['x', 'y'] }),
      false,
    ],
    ['a header with any value, which is missing', { headers: { a: { value: '*', retry: true } } }, responded(500), false],
    ['a header with another value', { headers: { a: { value: 'b', retry: true } } }, responded(500, { a: 'c' }), false],
    ['a header that forbids it', { headers: { a: { value: '*', retry: false } } }, responded(503, { a: 'c' }), false],
    ['a response that when allows', { when: ({ response }) => response?.status === 418 }, responded(418), true],
    ['a response that when refuses', { when: () => false }, responded(503), false],
    ['a response that when leaves to the lists', { when: () => undefined }, responded(503), true],
    [
      'a body that cannot be sent again, even if when allows it',
      { when: () => true },
      { ...responded(503), replayable: false },
      false,
    ],
    ['a negative pushback', {}, responded(503, { 'grpc-retry-pushback-ms': '-1' }), false],
  ])('%s', (_, options, result, expected) => {
    expect(judge(createRetryPolicy({ ...steady, ...options }), result) !== undefined).toBe(expected)
  })
})

describe('the schedule', () => {
  test('waits as long as the server requests, and adds the jitter', () => {
    const policy = createRetryPolicy(steady)
    expect(judge(policy, responded(429, { 'retry-after': '2' }))).toBe(2_010)
    expect(judge(policy, responded(503, { 'grpc-retry-pushback-ms': '40' }))).toBe(50)
    expect(judge(policy, responded(503, { 'retry-after': '31' }))).toBeUndefined()
    expect(judge(createRetryPolicy({ ...steady, maxServerDelayMs: 60_000 }), responded(503, { 'retry-after': '31' }))).toBe(
      31_010,
    )
  })

  test('makes three attempts, or maxAttempts', () => {
    const policy = createRetryPolicy()
    expect(judge(policy, { ...responded(503), attempt: 2 })).toBeGreaterThan(0)
    expect(judge(policy, { ...responded(503), attempt: 3 })).toBeUndefined()
    expect(judge(createRetryPolicy({ maxAttempts: 1 }), responded(503))).toBeUndefined()
  })

  test('derives delays from the previous ones, per call', () => {
    const seen: (number | undefined)[] = []
    const backoff: RetryPolicyOptions['backoff'] = ({ previousDelayMs }) => {
      seen.push(previousDelayMs)
      return 7
    }
    const policy = createRetryPolicy({ backoff })
    const [one, two] = [createCall(), createCall()]
    judge(policy, { ...responded(503), call: one })
    judge(policy, { ...responded(503), call: two })
    judge(policy, { ...responded(503), call: one, attempt: 2 })
    expect(seen).toEqual([undefined, undefined, 7])
  })

  test('starts nothing after maxElapsedMs or the deadline, and then leaves the budget unchanged', () => {
    const budget = createRetryBudget()
    const policy = createRetryPolicy({ ...steady, budget, maxElapsedMs: 100 })
    const now = performance.now()
    expect(judge(policy, { ...responded(503), call: createCall({ startedAt: now - 95 }) })).toBeUndefined()
    expect(judge(policy, { ...responded(503), call: createCall({ deadlineAt: now + 10 }) })).toBeUndefined()
    expect(budget.available).toBe(10)
    expect(judge(policy, { ...responded(503), call: createCall({ startedAt: now - 90, deadlineAt: now + 11 }) })).toBe(10)
    expect(budget.available).toBe(9)
  })

  test('measures maxElapsedMs from the first failure if the start is unknown', () => {
    const policy = createRetryPolicy({ ...steady, maxElapsedMs: 100 })
    const call = createCall()
    expect(judge(policy, { ...responded(503), call })).toBe(10)
    vi.advanceTimersByTime(91)
    expect(judge(policy, { ...responded(503), call, attempt: 2 })).toBeUndefined()
  })
})

describe('the budget', () => {
  test('is credited by calls, not by attempts, and is not charged for calls that are not retried', () => {
    const policy = createRetryPolicy({ ...steady, budget: createRetryBudget({ minPerSecond: 0 }) })
    for (let call = 0; call < 4; call++) judge(policy, responded(200))
    judge(policy, { ...responded(200), attempt: 2 })
    expect(judge(policy, { ...responded(503), attempt: 2 })).toBeUndefined()
    judge(policy, { ...responded(503), replayable: false })
    expect(judge(policy, { ...responded(503), attempt: 2 })).toBe(10)
    expect(judge(policy, { ...responded(503), attempt: 2 })).toBeUndefined()
  })

  test('1,000 failing calls per second make at most 1.2 × as many attempts plus 10 per second', () => {
    const policy = createRetryPolicy({ maxAttempts: 10 })
    const seconds = 20
    let attempts = 0
    function attempt(call: CallContext, number: number): void {
      attempts++
      const delay = judge(policy, { call, attempt: number, error: unavailable })
      if (delay !== undefined) setTimeout(attempt, delay, call, number + 1)
    }
    for (let calls = 1; calls <= seconds * 1_000; calls++) {
      attempt(createCall(), 1)
      vi.advanceTimersByTime(1)
      // Fails in the second in which it goes wrong, not only at the end.
      expect(attempts).toBeLessThanOrEqual(1.2 * calls + 10 * (Math.floor(calls / 1_000) + 1))
    }
    expect(attempts).toBeLessThanOrEqual(1.2 * seconds * 1_000 + 10 * seconds)
    expect(attempts).toBeGreaterThan(1.19 * seconds * 1_000)
  })
})

test('rejects invalid options', () => {
  const cases: readonly (readonly [string, object])[] = [
    ['attempts', { attempts: 3 }],
    ['maxAttempts', { maxAttempts: 0 }],
    ['maxElapsedMs', { maxElapsedMs: 0 }],
    ['maxServerDelayMs', { maxServerDelayMs: -1 }],
    ['random', { random: 4 }],
    ['budget.tryWithdraw', { budget: { deposit() {} } }],
    ['errorCodes', { errorCodes: 'SD_TIMEOUT' }],
    ['statuses[1]', { statuses: [503, 5030] }],
    ['methods', { methods: 'GET' }],
    ['methods[0]', { methods: [''] }],
    ['idempotencyHeader', { idempotencyHeader: true }],
    ['headers.a', { headers: { a: 'b' } }],
    ['headers.a.value', { headers: { a: { retry: true } } }],
    ['headers.a.retry', { headers: { a: { value: '*' } } }],
    ['when', { when: true }],
  ]
  for (const [field, options] of cases) {
    expect(() => createRetryPolicy(options as RetryPolicyOptions)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  }
})

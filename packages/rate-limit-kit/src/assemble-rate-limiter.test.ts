import { type RateLimiter, SdError, subscribeTelemetry } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { assembleRateLimiter, type RateLimiterAdapter } from './assemble-rate-limiter.ts'
import { createLocalRateLimit } from './local-rate-limit.ts'
import { checkRateLimit } from './rate-limit-options.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function assemble(adapter: Partial<RateLimiterAdapter> = {}): RateLimiter {
  const { take } = createLocalRateLimit(checkRateLimit({ limit: 1, windowMs: 1_000 }), 100)
  return assembleRateLimiter({ name: 'test', burst: 1, take, ...adapter })
}

/** Tracks the state of a promise. */
function follow(promise: Promise<unknown>): { state: string } {
  const followed = { state: 'waits' }
  promise.then(
    () => {
      followed.state = 'allowed'
    },
    (error: { code: string }) => {
      followed.state = error.code
    },
  )
  return followed
}

test('each waiting call is allowed when its unit is available', async () => {
  const limiter = assemble()
  const line = [0, 1, 2].map(() => follow(limiter.acquire('a', { wait: true })))
  for (const expected of ['allowed,waits,waits', 'allowed,allowed,waits', 'allowed,allowed,allowed']) {
    await vi.advanceTimersByTimeAsync(expected === 'allowed,waits,waits' ? 0 : 1_000)
    expect(String(line.map(({ state }) => state))).toBe(expected)
  }
  await limiter.close()
})

test('other keys have separate queues', async () => {
  const limiter = assemble()
  const calls = ['a', 'a', 'b'].map((key) => follow(limiter.acquire(key, { wait: true })))
  await vi.advanceTimersByTimeAsync(0)
  expect(calls.map(({ state }) => state)).toEqual(['allowed', 'waits', 'allowed'])
  await limiter.close()
})

test('an aborted call makes room for the next one', async () => {
  const limiter = assemble()
  await limiter.acquire('a')
  const controller = new AbortController()
  const first = follow(limiter.acquire('a', { wait: true, signal: controller.signal }))
  const second = follow(limiter.acquire('a', { wait: true }))
  await vi.advanceTimersByTimeAsync(500)
  controller.abort()
  await vi.advanceTimersByTimeAsync(500)
  expect([first.state, second.state]).toEqual(['SD_ABORTED', 'allowed'])
  await limiter.close()
})

test('a waiting call is refused at its limit, regardless of earlier ones', async () => {
  const limiter = assemble({ maxWaitMs: 1_500 })
  await limiter.acquire('a')
  const calls = [0, 1].map(() => follow(limiter.acquire('a', { wait: true })))
  await vi.advanceTimersByTimeAsync(1_000)
  // Now it is the second call's turn, and it would have to wait until 2,000 ms.
  expect(calls.map(({ state }) => state)).toEqual(['allowed', 'SD_REJECTED'])

  const stuck = assemble({ maxWaitMs: 100, take: () => new Promise(() => undefined) })
  const others = [0, 1].map(() => follow(stuck.acquire('a', { wait: true })))
  await vi.advanceTimersByTimeAsync(100)
  expect(others.map(({ state }) => state)).toEqual(['SD_REJECTED', 'SD_REJECTED'])
  await limiter.close()
})

test('with a full queue, a call that need not wait is allowed', async () => {
  const limiter = assemble({ maxWaiting: 0 })
  expect((await limiter.acquire('a', { wait: true })).allowed).toBe(true)
  await expect(limiter.acquire('a', { wait: true })).rejects.toMatchObject({ code: 'SD_REJECTED' })
})

test('the queue has room again when a call leaves it', async () => {
  const limiter = assemble({ maxWaiting: 2 })
  await limiter.acquire('a')
  const wait = () => follow(limiter.acquire('a', { wait: true }))
  const calls = [wait(), wait(), wait()]
  await vi.advanceTimersByTimeAsync(0)
  expect(calls.map(({ state }) => state)).toEqual(['waits', 'waits', 'SD_REJECTED'])
  await vi.advanceTimersByTimeAsync(1_000)
  const more = [wait(), wait()]
  await vi.advanceTimersByTimeAsync(0)
  expect(more.map(({ state }) => state)).toEqual(['waits', 'SD_REJECTED'])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(calls.concat(more).map(({ state }) => state)).toEqual(['allowed', 'allowed', 'SD_REJECTED', 'allowed', 'SD_REJECTED'])
  expect(vi.getTimerCount()).toBe(0)
})

test('with a full queue, a key without waiting calls is tried, and others are not', async () => {
  const local = createLocalRateLimit(checkRateLimit({ limit: 1, windowMs: 1_000 }), 100)
  const take = vi.fn(local.take)
  const limiter = assemble({ maxWaiting: 1, take })
  const first = follow(limiter.acquire('a', { wait: true }))
  await vi.advanceTimersByTimeAsync(0)
  expect(first.state).toBe('allowed')
  const inLine = follow(limiter.acquire('a', { wait: true }))
  await vi.advanceTimersByTimeAsync(0)
  take.mockClear()
  const [again, other] = ['a', 'b'].map((key) => follow(limiter.acquire(key, { wait: true })))
  await vi.advanceTimersByTimeAsync(0)
  expect([inLine.state, again?.state, other?.state]).toEqual(['waits', 'SD_REJECTED', 'allowed'])
  expect(take.mock.calls.map(([key]) => key)).toEqual(['b'])
  await limiter.close()
})

test('jitter is added to the wait', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const limiter = assemble({ jitterMs: 200 })
  await limiter.acquire('a')
  const call = follow(limiter.acquire('a', { wait: true }))
  await vi.advanceTimersByTimeAsync(1_099)
  expect(call.state).toBe('waits')
  await vi.advanceTimersByTimeAsync(1)
  expect(call.state).toBe('allowed')
  vi.restoreAllMocks()
})

test('tryAcquire exists only if no backend is involved', async () => {
  const { take } = createLocalRateLimit(checkRateLimit({ limit: 1, windowMs: 1_000 }), 100)
  const limiter = assemble({ takeNow: take })
  expect(limiter.tryAcquire?.('a')).toMatchObject({ allowed: true })
  expect(limiter.tryAcquire?.('a')).toMatchObject({ allowed: false, retryAfterMs: 1_000 })
  expect(() => limiter.tryAcquire?.('')).toThrow('Invalid key')
  await limiter.close()
  expect(() => limiter.tryAcquire?.('a')).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
  expect(assemble().tryAcquire).toBeUndefined()
})

test('decisions are published, including refused ones and those after a wait', async () => {
  const published: unknown[] = []
  const stop = subscribeTelemetry('sd:v1:rate-limit:decision', ({ limiter, decision }) =>
    published.push([limiter, decision.allowed]),
  )
  const limiter = assemble()
  await limiter.acquire('a')
  await limiter.acquire('a')
  const waiting = limiter.acquire('a', { wait: true })
  await vi.advanceTimersByTimeAsync(1_000)
  await waiting
  stop()
  await limiter.acquire('a')
  expect(published).toEqual([
    ['test', true],
    ['test', false],
    ['test', true],
  ])
})

test('an aborted call takes nothing', async () => {
  const take = vi.fn()
  const limiter = assemble({ take })
  await expect(limiter.acquire('a', { signal: AbortSignal.abort('why') })).rejects.toMatchObject({
    code: 'SD_ABORTED',
    cause: 'why',
  })
  expect(take).not.toHaveBeenCalled()
})

test.each(['', 'x'.repeat(513), '\ud800', 5])('an invalid key is rejected: %j', async (key) => {
  await expect(assemble().acquire(key as string)).rejects.toThrow('Invalid key')
})

test('an error of the backend goes to the call whose turn it is', async () => {
  const limiter = assemble({ take: () => Promise.reject(new Error('unreachable')) })
  await expect(limiter.acquire('a')).rejects.toThrow('unreachable')
  await expect(limiter.acquire('a', { wait: true })).rejects.toThrow('unreachable')
  await limiter.close()
})

test('the backend is closed once', async () => {
  const close = vi.fn(async () => undefined)
  {
    await using limiter = assemble({ close })
    await limiter.close()
  }
  expect(close).toHaveBeenCalledTimes(1)
})

describe('a call that waits', () => {
  const refusal = { allowed: false, limit: 1, remaining: 0, windowMs: 1_000, resetMs: 1_000, retryAfterMs: 1_000 }
  const grant = { ...refusal, allowed: true, retryAfterMs: 0 }

  test('asks once, and again only after retryAfterMs, with jitter', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const take = vi.fn().mockReturnValueOnce(refusal).mockReturnValue(grant)
    const limiter = assemble({ take, jitterMs: 200 })
    const call = follow(limiter.acquire('a', { wait: true }))
    await vi.advanceTimersByTimeAsync(1_099)
    expect([call.state, take.mock.calls.length]).toEqual(['waits', 1])
    await vi.advanceTimersByTimeAsync(1)
    expect([call.state, take.mock.calls.length]).toEqual(['allowed', 2])
    vi.restoreAllMocks()
    await limiter.close()
  })

  test('does not ask before the calls in front of it have left', async () => {
    const take = vi.fn(() => new Promise<never>(() => undefined))
    const limiter = assemble({ take, maxWaiting: 2 })
    const calls = [0, 1, 2].map(() => follow(limiter.acquire('a', { wait: true })))
    await vi.advanceTimersByTimeAsync(100)
    expect(calls.map(({ state }) => state)).toEqual(['waits', 'waits', 'SD_REJECTED'])
    expect(take).toHaveBeenCalledTimes(1)
    await limiter.close()
    await vi.advanceTimersByTimeAsync(0)
    expect(calls.map(({ state }) => state)).toEqual(['SD_CLOSED', 'SD_CLOSED', 'SD_REJECTED'])
  })

  test('takes nothing if it is aborted together with the one in front of it', async () => {
    const take = vi.fn(() => new Promise<never>(() => undefined))
    const limiter = assemble({ take })
    const controller = new AbortController()
    const calls = [0, 1].map(() => follow(limiter.acquire('a', { wait: true, signal: controller.signal })))
    await vi.advanceTimersByTimeAsync(0)
    controller.abort()
    await vi.advanceTimersByTimeAsync(0)
    expect(calls.map(({ state }) => state)).toEqual(['SD_ABORTED', 'SD_ABORTED'])
    expect(take).toHaveBeenCalledTimes(1)
    await limiter.close()
  })

  test('gets the time limit of the backend as it is', async () => {
    const error = new SdError('SD_TIMEOUT', 'the backend did not respond')
    const limiter = assemble({ take: () => Promise.reject(error) })
    await expect(limiter.acquire('a', { wait: true })).rejects.toBe(error)
    await limiter.close()
  })

  test('leaves nothing behind: with a full queue its key is tried again', async () => {
    const take = vi.fn((key: string) => (key === 'b' ? refusal : grant))
    const limiter = assemble({ take, maxWaiting: 1 })
    await limiter.acquire('a', { wait: true })
    const waits = follow(limiter.acquire('b', { wait: true }))
    await vi.advanceTimersByTimeAsync(0)
    expect((await limiter.acquire('a', { wait: true })).allowed).toBe(true)
    expect(waits.state).toBe('waits')
    await limiter.close()
  })
})

test('closing and disposing wait for the backend', async () => {
  const closed = Promise.withResolvers<undefined>()
  const limiter = assemble({ close: () => closed.promise })
  const done: string[] = []
  void limiter.close().then(() => done.push('close'))
  void limiter[Symbol.asyncDispose]().then(() => done.push('dispose'))
  await vi.advanceTimersByTimeAsync(10)
  expect(done).toEqual([])
  closed.resolve(undefined)
  await vi.advanceTimersByTimeAsync(0)
  expect(done).toEqual(['close', 'dispose'])
})

test('a key may have 512 characters', async () => {
  const limiter = assemble()
  expect((await limiter.acquire('x'.repeat(512))).allowed).toBe(true)
  await limiter.close()
})

import type { RateLimiter } from '@sd/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
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

/** What a promise has come to so far. */
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

test('each of a line is allowed when its unit is there', async () => {
  const limiter = assemble()
  const line = [0, 1, 2].map(() => follow(limiter.acquire('a', { wait: true })))
  for (const expected of ['allowed,waits,waits', 'allowed,allowed,waits', 'allowed,allowed,allowed']) {
    await vi.advanceTimersByTimeAsync(expected === 'allowed,waits,waits' ? 0 : 1_000)
    expect(String(line.map(({ state }) => state))).toBe(expected)
  }
  await limiter.close()
})

test('other keys have lines of their own', async () => {
  const limiter = assemble()
  const calls = ['a', 'a', 'b'].map((key) => follow(limiter.acquire(key, { wait: true })))
  await vi.advanceTimersByTimeAsync(0)
  expect(calls.map(({ state }) => state)).toEqual(['allowed', 'waits', 'allowed'])
  await limiter.close()
})

test('whoever leaves the line lets the next one up', async () => {
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

test('a call in line is refused at its limit, whatever those before it do', async () => {
  const limiter = assemble({ maxWaitMs: 1_500 })
  await limiter.acquire('a')
  const calls = [0, 1].map(() => follow(limiter.acquire('a', { wait: true })))
  await vi.advanceTimersByTimeAsync(1_000)
  // The second comes up now, and sees that it would have to wait until 2,000 ms.
  expect(calls.map(({ state }) => state)).toEqual(['allowed', 'SD_REJECTED'])

  const stuck = assemble({ maxWaitMs: 100, take: () => new Promise(() => undefined) })
  const others = [0, 1].map(() => follow(stuck.acquire('a', { wait: true })))
  await vi.advanceTimersByTimeAsync(100)
  expect(others.map(({ state }) => state)).toEqual(['SD_REJECTED', 'SD_REJECTED'])
  await limiter.close()
})

test('with no room in the queue, what need not wait is allowed', async () => {
  const limiter = assemble({ maxWaiting: 0 })
  expect((await limiter.acquire('a', { wait: true })).allowed).toBe(true)
  await expect(limiter.acquire('a', { wait: true })).rejects.toMatchObject({ code: 'SD_REJECTED' })
})

test('what the backend fails with is the error of who is on turn', async () => {
  const limiter = assemble({ take: () => Promise.reject(new Error('away')) })
  await expect(limiter.acquire('a')).rejects.toThrow('away')
  await expect(limiter.acquire('a', { wait: true })).rejects.toThrow('away')
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

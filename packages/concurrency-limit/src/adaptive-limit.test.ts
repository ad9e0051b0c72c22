import { SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import { createAdaptiveLimit } from './index.ts'

function spinFor(durationMs: number): void {
  const endAt = performance.now() + durationMs
  while (performance.now() < endAt);
}

test('grants as many permits as the limit, and each settles once', () => {
  using limit = createAdaptiveLimit({ minLimit: 2 })
  const first = limit.tryAcquire()
  expect(limit.tryAcquire()).toBeDefined()
  expect(limit.tryAcquire()).toBeUndefined()
  first?.settle({ ok: true })
  first?.settle({ ok: true })
  expect(limit.statistics()).toMatchObject({ active: 1, limit: 2, probing: true, admitted: 2, rejected: 1 })
})

test('execute settles when the work has ended, and rejects excess calls as retryable', async () => {
  using limit = createAdaptiveLimit({ minLimit: 1, name: 'orders' })
  const work = Promise.withResolvers<string>()
  const running = limit.execute(() => work.promise)
  await expect(limit.execute(() => 'never')).rejects.toMatchObject({
    code: 'SD_REJECTED',
    retryable: true,
    message: 'orders is full: 1 in progress, queue limit 0',
  })
  work.resolve('done')
  expect(await running).toBe('done')
  const failure = new Error('boom')
  await expect(
    limit.execute(() => {
      throw failure
    }),
  ).rejects.toBe(failure)
  expect(limit.statistics().active).toBe(0)
})

test('refuses all calls after close; calls in progress can finish', async () => {
  const limit = createAdaptiveLimit()
  const permit = limit.tryAcquire()
  limit.close()
  limit.close()
  expect(limit.tryAcquire()).toBeUndefined()
  await expect(limit.execute(() => 1)).rejects.toMatchObject({ code: 'SD_CLOSED' })
  permit?.settle({ ok: true })
  expect(limit.statistics().active).toBe(0)
})

describe('latencies', () => {
  function learn(
    outcome: Parameters<NonNullable<ReturnType<ReturnType<typeof createAdaptiveLimit>['tryAcquire']>>['settle']>[0],
  ) {
    let now = 0
    vi.stubGlobal('performance', { now: () => now })
    try {
      const limit = createAdaptiveLimit({ minWindowSamples: 1, probeSamples: 1, maxEventLoopDelayMs: 0 })
      const permit = limit.tryAcquire()
      now = 40
      permit?.settle(outcome)
      return limit.statistics().minRttMs
    } finally {
      vi.unstubAllGlobals()
    }
  }

  test('are those to the headers if given, otherwise those to the end', () => {
    expect(learn({ ok: true, latencyMs: 7 })).toBe(7)
    expect(learn({ ok: true })).toBe(40)
  })

  test.each([
    ['failed', new Error('boom')],
    ['was aborted', new SdError('SD_ABORTED', 'gone')],
    ['could not be sent', new SdError('SD_INVALID', 'a header')],
    ['had too short a deadline', new SdError('SD_DEADLINE_EXCEEDED', '1 ms')],
    ['was refused by another policy', new SdError('SD_REJECTED', 'full')],
    ['was aborted by fetch', new DOMException('gone', 'AbortError')],
  ])('a call that %s does not change the latency without load', (_name, error) => {
    expect(learn({ ok: false, error })).toBe(0)
  })
})

test('a blocked event loop lowers the limit', async () => {
  using limit = createAdaptiveLimit({ minLimit: 1, initialLimit: 100, windowMs: 1, probeTimeoutMs: 1, maxEventLoopDelayMs: 5 })
  await vi.waitFor(
    () => {
      spinFor(60)
      limit.tryAcquire()?.settle({ ok: false })
      const { eventLoopDelayMs, limit: now, probing } = limit.statistics()
      expect(eventLoopDelayMs).toBeGreaterThan(5)
      expect(probing).toBe(false)
      expect(now).toBeLessThan(90)
    },
    { timeout: 20_000, interval: 1 },
  )
})

test.each([
  ['minLimit', { minLimit: 0 }],
  ['maxLimit', { minLimit: 5, maxLimit: 4 }],
  ['initialLimit', { initialLimit: 2 }],
  ['windowMs', { windowMs: 0 }],
  ['minWindowSamples', { minWindowSamples: 0 }],
  ['percentile', { percentile: 101 }],
  ['tolerance', { tolerance: 0.9 }],
  ['smoothing', { smoothing: 0 }],
  ['probeIntervalMs', { probeIntervalMs: 0 }],
  ['probeSamples', { probeSamples: 9 }],
  ['probeTimeoutMs', { probeTimeoutMs: Number.NaN }],
  ['maxEventLoopDelayMs', { maxEventLoopDelayMs: -1 }],
  ['maxQueued', { maxQueued: -1 }],
  ['queueTimeoutMs', { queueTimeoutMs: 0 }],
  ['name', { name: '' }],
  ['random', { random: 1 as never }],
  ['limit', { limit: 1 } as never],
])('a bad %s is refused', (field, options) => {
  expect(() => createAdaptiveLimit(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

test('the defaults respect a single given bound', () => {
  using high = createAdaptiveLimit({ minLimit: 2_000 })
  using low = createAdaptiveLimit({ maxLimit: 5 })
  expect([high.statistics().limit, low.statistics().limit]).toEqual([2_000, 3])
})

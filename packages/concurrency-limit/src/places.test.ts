import type { CallPriority, Permit } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type AdaptiveLimitOptions, createAdaptiveLimit, createBulkhead } from './index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Simulates that this process is blocked, from now on, each time the returned function is called. */
function replaceClock(): (forMs: number) => void {
  const now = performance.now.bind(performance)
  let standstillMs = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now() + standstillMs)
  return (forMs) => {
    standstillMs += forMs
  }
}

interface Size {
  readonly places: number
  readonly maxQueued: number
  readonly queueTimeoutMs: number
}

const limits = {
  'a bulkhead': ({ places, ...queue }: Size) => createBulkhead({ maxConcurrent: places, ...queue }),
  'an adaptive limit': ({ places, ...queue }: Size) => createAdaptiveLimit({ ...fixedAt(places), ...queue }),
}

function fixedAt(places: number): AdaptiveLimitOptions {
  return { minLimit: places, maxLimit: places, initialLimit: places, maxEventLoopDelayMs: 0 }
}

describe.each(Object.entries(limits))('%s', (_, createLimit) => {
  test('critical calls are served first, and default calls leave the reserved places free', async () => {
    const limit = createLimit({ places: 10, maxQueued: 20, queueTimeoutMs: 500 })
    const held = await Promise.all(Array.from({ length: 10 }, () => limit.acquire()))
    const order: (CallPriority | undefined)[] = []
    for (const priority of ['default', 'default', 'critical', undefined] as const) {
      void Promise.resolve(limit.acquire({ priority })).then(() => order.push(priority))
    }
    for (const permit of held.slice(0, 2)) permit.settle({ ok: true })
    await vi.advanceTimersByTimeAsync(0)
    expect(order).toEqual(['critical', undefined])
    held[2]?.settle({ ok: true })
    await vi.advanceTimersByTimeAsync(0)
    expect(order).toHaveLength(2)
    held[3]?.settle({ ok: true })
    held[4]?.settle({ ok: true })
    await vi.advanceTimersByTimeAsync(0)
    expect([order, limit.load]).toEqual([['critical', undefined, 'default', 'default'], { max: 10, active: 9, waiting: 0 }])
  })

  test('a critical call takes the last place in a full queue from a default call', async () => {
    const limit = createLimit({ places: 1, maxQueued: 1, queueTimeoutMs: 500 })
    const permit = await limit.acquire()
    const pushedOut = expect(limit.acquire({ priority: 'default' })).rejects.toMatchObject({ code: 'SD_REJECTED' })
    const critical = limit.acquire({ priority: 'critical' })
    await pushedOut
    await expect(limit.acquire({ priority: 'critical' })).rejects.toMatchObject({ code: 'SD_REJECTED' })
    permit.settle({ ok: true })
    await critical
  })

  test('time for which the process is blocked is not part of a wait', async () => {
    const limit = createLimit({ places: 1, maxQueued: 2, queueTimeoutMs: 100 })
    await limit.acquire()
    const standStill = replaceClock()
    let isRefused = false
    Promise.resolve(limit.acquire()).catch(() => {
      isRefused = true
    })
    for (let round = 0; round < 4; round++) {
      await vi.advanceTimersByTimeAsync(20)
      standStill(300)
    }
    await vi.advanceTimersByTimeAsync(19)
    expect(isRefused).toBe(false)
    await vi.advanceTimersByTimeAsync(2)
    expect(isRefused).toBe(true)
  })

  test('everything that arrived while the process was blocked is read before a call is refused', async () => {
    // Fake only the timers: what matters is that reads come before `setImmediate`.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
    const limit = createLimit({ places: 1, maxQueued: 2, queueTimeoutMs: 100 })
    const permit = await limit.acquire()
    const first = limit.acquire()
    const second = expect(limit.acquire()).rejects.toMatchObject({ code: 'SD_REJECTED' })
    vi.advanceTimersByTime(99)
    replaceClock()(300)
    vi.advanceTimersByTime(1)
    permit.settle({ ok: true })
    await first
    await second
  })
})

test('time for which the process is blocked is not part of a latency: the adaptive limit stays', async () => {
  // The next probe, with its minimum limit, must not fall on the end of the minute that this takes.
  const probes = { probeSamples: 20, probeIntervalMs: 600_000 }
  const limit = createAdaptiveLimit({ minLimit: 5, initialLimit: 40, maxEventLoopDelayMs: 0, ...probes })
  const standStill = replaceClock()
  for (let round = 0; round < 300; round++) {
    const permits = Array.from({ length: 30 }, () => limit.tryAcquire())
    await vi.advanceTimersByTimeAsync(10)
    if (round > 10) standStill(200)
    for (const permit of permits) permit?.settle({ ok: true })
  }
  const { minRttMs, limit: places } = limit.statistics()
  expect(minRttMs).toBe(10)
  expect(places).toBeGreaterThanOrEqual(40)
})

describe('the queue of an adaptive limit', () => {
  test('serves a burst as places become free, and excludes the wait from the latency', async () => {
    const limit = createAdaptiveLimit({ minLimit: 50, maxQueued: 1_000, maxEventLoopDelayMs: 0 })
    const calls = Array.from({ length: 1_000 }, () => limit.execute(() => new Promise((resolve) => setTimeout(resolve, 10))))
    expect(limit.load.waiting).toBe(950)
    await vi.advanceTimersByTimeAsync(200)
    await Promise.all(calls)
    const { minRttMs, sampleRttMs, ...counts } = limit.statistics()
    expect([minRttMs, sampleRttMs]).toEqual([10, 10])
    expect(counts).toMatchObject({ active: 0, queued: 0, admitted: 1_000, rejected: 0, timedOut: 0 })
  })

  test('grants new places to waiting calls when the next call arrives', async () => {
    const limit = createAdaptiveLimit({
      minLimit: 1,
      initialLimit: 5,
      maxQueued: 10,
      probeTimeoutMs: 10,
      maxEventLoopDelayMs: 0,
    })
    const permits: Permit[] = []
    for (let call = 0; call < 5; call++) void Promise.resolve(limit.acquire()).then((permit) => permits.push(permit))
    await vi.advanceTimersByTimeAsync(10)
    expect(permits).toHaveLength(1)
    expect(limit.tryAcquire()).toBeUndefined()
    await vi.advanceTimersByTimeAsync(0)
    expect(permits).toHaveLength(5)
  })

  test('sheds real overload within a tenth of the timeout', async () => {
    const limit = createAdaptiveLimit({ ...fixedAt(10), maxQueued: 1_000, queueTimeoutMs: 500 })
    const waits: { readonly at: number; readonly ms: number; readonly served: boolean }[] = []
    // 10 places of 20 ms serve 500 calls per second; 1,500 arrive.
    for (let at = 0; at < 5_000; at += 2) {
      for (let call = 0; call < 3; call++) {
        const note = (served: boolean): void => void waits.push({ at, ms: performance.now() - startedAt, served })
        const startedAt = performance.now()
        Promise.resolve(limit.acquire()).then(
          (permit) => {
            note(true)
            setTimeout(() => permit.settle({ ok: true }), 20)
          },
          () => note(false),
        )
      }
      await vi.advanceTimersByTimeAsync(2)
    }
    await vi.advanceTimersByTimeAsync(1_000)
    const late = waits.filter(({ at }) => at > 1_500)
    expect(Math.max(...late.map(({ ms }) => ms))).toBeLessThanOrEqual(50)
    expect(late.filter(({ served }) => served).length).toBeGreaterThan(0.95 * 500 * 3.5)
  })
})

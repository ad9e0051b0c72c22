import { describe, expect, test } from 'vitest'
import { resolveAdaptiveLimitOptions } from './adaptive-limit-options.ts'
import { createGradient, type Gradient, type GradientSettings } from './gradient.ts'

function create(change: Partial<GradientSettings> = {}): Gradient {
  const settings = resolveAdaptiveLimitOptions({ smoothing: 1, probeSamples: 50, random: () => 0 })
  return createGradient({ ...settings, readEventLoopDelay: () => 0, ...change }, 0)
}

/** Feeds latencies from `atMs` on, then lets the time pass. */
function feed(
  gradient: Gradient,
  atMs: number,
  latencyMs: number,
  { count = 50, active = gradient.limit, ok = true } = {},
): void {
  for (let index = 0; index < count; index++) gradient.learn(atMs, latencyMs, { ok, standstillMs: 0 })
  gradient.advance(atMs + 100, active)
}

/** Past its first probe, with 10 ms as the latency without load. */
function createProbed(change: Partial<GradientSettings> = {}): Gradient {
  const gradient = create(change)
  feed(gradient, 0, 10)
  return gradient
}

describe('probes', () => {
  test('the first one runs at once with the least limit, then the initial limit holds', () => {
    const gradient = create()
    expect([gradient.probing, gradient.limit]).toEqual([true, 3])
    feed(gradient, 0, 10, { count: 49 })
    expect(gradient.probing).toBe(true)
    feed(gradient, 50, 10, { count: 1 })
    expect([gradient.probing, gradient.limit, gradient.minRttMs]).toEqual([false, 20, 10])
  })

  test('come again, up to 15 % later, and leave the limit as it was', () => {
    for (const [random, dueAtMs] of [
      [0, 60_100],
      [1, 69_100],
    ] as const) {
      const gradient = createProbed({ random: () => random })
      feed(gradient, dueAtMs - 200, 10, { active: 0 })
      expect(gradient.probing).toBe(false)
      feed(gradient, dueAtMs, 10, { active: 0 })
      expect([gradient.probing, gradient.limit]).toEqual([true, 3])
      feed(gradient, dueAtMs + 100, 30)
      expect([gradient.probing, gradient.limit, gradient.minRttMs]).toEqual([false, 20, 30])
    }
  })

  test('neither work from before nor failures count', () => {
    const gradient = createProbed({ probeIntervalMs: 100 })
    feed(gradient, 200, 10, { active: 0 })
    expect(gradient.probing).toBe(true)
    feed(gradient, 299, 500)
    feed(gradient, 300, 1, { ok: false })
    expect(gradient.probing).toBe(true)
    feed(gradient, 301, 12)
    expect(gradient.minRttMs).toBe(12)
  })

  test('end after their time, and what few calls said does not replace what is known', () => {
    const gradient = createProbed({ probeIntervalMs: 100 })
    feed(gradient, 200, 10, { active: 0 })
    feed(gradient, 300, 99, { count: 9 })
    gradient.advance(2_299, 3)
    expect(gradient.probing).toBe(true)
    gradient.advance(2_300, 3)
    expect([gradient.probing, gradient.minRttMs]).toEqual([false, 10])
  })

  test('where the first one had too few calls, the first window has to do', () => {
    const gradient = create()
    gradient.advance(2_000, 0)
    expect([gradient.probing, gradient.minRttMs, gradient.limit]).toEqual([false, 0, 20])
    feed(gradient, 2_000, 40, { active: 0 })
    expect(gradient.minRttMs).toBe(40)
  })

  test('five windows at the least limit start one', () => {
    const gradient = createProbed({ initialLimit: 3, maxLimit: 3 })
    for (let window = 1; window <= 4; window++) feed(gradient, window * 100, 50)
    expect(gradient.probing).toBe(false)
    feed(gradient, 500, 50)
    expect(gradient.probing).toBe(true)
    feed(gradient, 600, 50)
    expect(gradient.minRttMs).toBe(50)
  })
})

describe('windows', () => {
  test.each([
    ['latency at its tolerance: only the headroom comes on top', 12.5, Math.floor(20 + Math.sqrt(20))],
    ['twice the tolerated latency', 25, Math.floor(10 + Math.sqrt(20))],
    ['very high latency: at most half is taken', 1_000, Math.floor(10 + Math.sqrt(20))],
    ['very low latency: at most twice as much', 1, Math.floor(40 + Math.sqrt(20))],
  ])('%s', (_name, latencyMs, limit) => {
    const gradient = createProbed()
    feed(gradient, 100, latencyMs)
    expect([gradient.limit, gradient.sampleRttMs]).toEqual([limit, latencyMs])
  })

  test('smoothing takes a part of the way', () => {
    const gradient = createProbed({ smoothing: 0.2 })
    feed(gradient, 100, 25)
    expect(gradient.limit).toBe(Math.floor(20 + 0.2 * (10 + Math.sqrt(20) - 20)))
  })

  test('the limit stays between its bounds', () => {
    const gradient = createProbed({ maxLimit: 25 })
    feed(gradient, 100, 10)
    expect(gradient.limit).toBe(25)
    for (let window = 2; window < 9; window++) feed(gradient, window * 100, 1_000)
    expect(gradient.limit).toBeLessThan(6)
    expect(gradient.limit).toBeGreaterThanOrEqual(3)
  })

  test('a limit that is not used does not grow, but falls', () => {
    const gradient = createProbed()
    feed(gradient, 100, 10, { active: 9 })
    expect(gradient.limit).toBe(20)
    feed(gradient, 200, 100, { active: 9 })
    expect(gradient.limit).toBe(14)
  })

  test('one with too few latencies goes on', () => {
    const gradient = createProbed()
    feed(gradient, 100, 100, { count: 9 })
    expect(gradient.limit).toBe(20)
    feed(gradient, 300, 100, { count: 1 })
    expect(gradient.limit).toBe(14)
  })

  test('quick failures count for nothing, slow ones as slow', () => {
    const gradient = createProbed()
    feed(gradient, 100, 1, { ok: false })
    expect([gradient.limit, gradient.sampleRttMs]).toEqual([20, 0])
    feed(gradient, 200, 100, { ok: false })
    expect([gradient.limit, gradient.sampleRttMs]).toEqual([14, 100])
  })
})

describe('event loop', () => {
  test('a late one shrinks the limit without any latency, without headroom, down to the least', () => {
    const gradient = createProbed({ readEventLoopDelay: () => 100 })
    gradient.advance(200, 20)
    expect([gradient.limit, gradient.eventLoopDelayMs]).toEqual([9, 100])
    for (let at = 300; at < 1_500; at += 100) gradient.advance(at, 20)
    expect(gradient.limit).toBe(3)
  })

  test('while it is late the limit does not grow, however low latency is', () => {
    let delayMs = 71
    const gradient = createProbed({ readEventLoopDelay: () => delayMs })
    const limit = gradient.limit
    feed(gradient, 100, 5)
    expect(gradient.limit).toBeLessThanOrEqual(limit)
    delayMs = 70
    feed(gradient, 200, 5)
    expect(gradient.limit).toBeGreaterThan(limit)
  })
})

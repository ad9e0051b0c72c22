import { describe, expect, test } from 'vitest'
import { resolveAdaptiveLimitOptions } from './adaptive-limit-options.ts'
import { createGradient, type Gradient, type GradientSettings } from './gradient.ts'

function create(change: Partial<GradientSettings> = {}): Gradient {
  const settings = resolveAdaptiveLimitOptions({ smoothing: 1, probeSamples: 50, random: () => 0 })
  return createGradient({ ...settings, readEventLoopDelay: () => 0, ...change }, 0)
}

/** Records latencies from `atMs` on, then advances the time. */
function feed(
  gradient: Gradient,
  atMs: number,
  latencyMs: number,
  { count = 50, active = gradient.limit, ok = true } = {},
): void {
  for (let index = 0; index < count; index++) gradient.learn(atMs, latencyMs, { ok, standstillMs: 0 })
  gradient.advance(atMs + 100, active)
}

/** A gradient after its first probe, with 10 ms as the latency without load. */
function createProbed(change: Partial<GradientSettings> = {}): Gradient {
  const gradient = create(change)
  feed(gradient, 0, 10)
  return gradient
}

describe('probes', () => {
  test('the first one runs at once with the minimum limit, then the initial limit applies', () => {
    const gradient = create()
    expect([gradient.probing, gradient.limit]).toEqual([true, 3])
    feed(gradient, 0, 10, { count: 49 })
    expect(gradient.probing).toBe(true)
    feed(gradient, 50, 10, { count: 1 })
    expect([gradient.probing, gradient.limit, gradient.minRttMs]).toEqual([false, 20, 10])
  })

  test('repeat, up to 15 % later, and leave the limit unchanged', () => {
    for (const [random, dueAt] of [
      [0, 60_100],
      [1, 69_100],
    ] as const) {
      const gradient = createProbed({ random: () => random })
      feed(gradient, dueAt - 200, 10, { active: 0 })
      expect(gradient.probing).toBe(false)
      feed(gradient, dueAt, 10, { active: 0 })
      expect([gradient.probing, gradient.limit]).toEqual([true, 3])
      feed(gradient, dueAt + 100, 30)
      expect([gradient.probing, gradient.limit, gradient.minRttMs]).toEqual([false, 20, 30])
    }
  })

  test('ignore calls that began before, and failures', () => {
    const gradient = createProbed({ probeIntervalMs: 100 })
    feed(gradient, 200, 10, { active: 0 })
    expect(gradient.probing).toBe(true)
    feed(gradient, 299, 500)
    feed(gradient, 300, 1, { ok: false })
    expect(gradient.probing).toBe(true)
    feed(gradient, 301, 12)
    expect(gradient.minRttMs).toBe(12)
  })

  test('end after their timeout; a few samples do not replace the known latency', () => {
    const gradient = createProbed({ probeIntervalMs: 100 })
    feed(gradient, 200, 10, { active: 0 })
    feed(gradient, 300, 99, { count: 9 })
    gradient.advance(2_299, 3)
    expect(gradient.probing).toBe(true)
    gradient.advance(2_300, 3)
    expect([gradient.probing, gradient.minRttMs]).toEqual([false, 10])
  })

  test('if the first probe had too few calls, the first window is used', () => {
    const gradient = create()
    gradient.advance(2_000, 0)
    expect([gradient.probing, gradient.minRttMs, gradient.limit]).toEqual([false, 0, 20])
    feed(gradient, 2_000, 40, { active: 0 })
    expect(gradient.minRttMs).toBe(40)
  })

  test('start after five windows at the minimum limit', () => {
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

  test('smoothing applies a part of the change', () => {
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

  test('an unused limit does not grow, but falls', () => {
    const gradient = createProbed()
    feed(gradient, 100, 10, { active: 9 })
    expect(gradient.limit).toBe(20)
    feed(gradient, 200, 100, { active: 9 })
    expect(gradient.limit).toBe(14)
  })

  test('a window with too few latencies is extended', () => {
    const gradient = createProbed()
    feed(gradient, 100, 100, { count: 9 })
    expect(gradient.limit).toBe(20)
    feed(gradient, 300, 100, { count: 1 })
    expect(gradient.limit).toBe(14)
  })

  test('fast failures are ignored, slow ones are recorded', () => {
    const gradient = createProbed()
    feed(gradient, 100, 1, { ok: false })
    expect([gradient.limit, gradient.sampleRttMs]).toEqual([20, 0])
    feed(gradient, 200, 100, { ok: false })
    expect([gradient.limit, gradient.sampleRttMs]).toEqual([14, 100])
  })
})

describe('event loop', () => {
  test('a late event loop lowers the limit without latencies and without headroom, down to the minimum', () => {
    const gradient = createProbed({ readEventLoopDelay: () => 100 })
    gradient.advance(200, 20)
    expect([gradient.limit, gradient.eventLoopDelayMs]).toEqual([9, 100])
    for (let at = 300; at < 1_500; at += 100) gradient.advance(at, 20)
    expect(gradient.limit).toBe(3)
  })

  test('the limit does not grow while the event loop is late, however low the latency is', () => {
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

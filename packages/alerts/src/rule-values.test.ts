import fc from 'fast-check'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { beforeEach, describe, expect, test } from 'vitest'
import { histogramQuantile } from './histogram-quantile.ts'
import { createPrometheusSource, type MetricSource } from './index.ts'
import type { AlertRule, ThresholdRule } from './rule.ts'
import { createRuleValues, type GroupValue } from './rule-values.ts'
import { createSeriesHistory } from './series-history.ts'

const never = new AbortController().signal
let registry: Registry
let source: MetricSource
beforeEach(() => {
  registry = new Registry()
  source = createPrometheusSource(registry)
})

function read(rule: Partial<ThresholdRule> & { metric: string }): (now: number) => Promise<readonly GroupValue[]> {
  const values = createRuleValues({ name: 'r', condition: '>', threshold: 0, ...rule } as AlertRule)
  return async (now) => values(await source(never), now)
}

describe('on a prom-client registry', () => {
  test.each([
    ['sum', 60],
    ['min', 10],
    ['max', 30],
    ['avg', 20],
  ] as const)('%s of gauges', async (aggregate, value) => {
    const gauge = new Gauge({ name: 'queue', help: 'x', labelNames: ['service', 'instance'], registers: [registry] })
    for (const [index, depth] of [10, 20, 30].entries()) gauge.set({ service: 'a', instance: index }, depth)
    gauge.set({ service: 'b', instance: 0 }, 7)
    gauge.set({ service: 'c', instance: 0 }, Number.NaN)
    expect(await read({ metric: 'queue', aggregate, groupBy: ['service'] })(0)).toEqual([
      { labels: { service: 'a' }, value },
      { labels: { service: 'b' }, value: 7 },
    ])
    expect(await read({ metric: 'queue', aggregate, labels: { service: 'b' } })(0)).toEqual([{ labels: {}, value: 7 }])
    expect(await read({ metric: 'other', aggregate })(0)).toEqual([])
  })

  test('rate and increase of counters, from 0 for a series that appears and over a restart', async () => {
    const counter = new Counter({ name: 'errors_total', help: 'x', labelNames: ['service'], registers: [registry] })
    const rate = read({ metric: 'errors_total', aggregate: { kind: 'rate', windowMs: 60_000 }, groupBy: ['service'] })
    const increase = read({ metric: 'errors_total', aggregate: { kind: 'increase', windowMs: 60_000 } })
    counter.inc({ service: 'a' }, 1_000)
    expect([await rate(0), await increase(0)]).toEqual([[], []])
    counter.inc({ service: 'a' }, 30)
    counter.inc({ service: 'b' }, 15)
    expect(await rate(30_000)).toEqual([
      { labels: { service: 'a' }, value: 1 },
      { labels: { service: 'b' }, value: 0.5 },
    ])
    expect((await increase(30_000))[0]?.value).toBeCloseTo(45)
    counter.reset()
    counter.inc({ service: 'a' }, 6)
    expect((await increase(60_000))[0]?.value).toBeCloseTo(36)
    expect(await increase(60_000)).toHaveLength(1)
    // Only growth within the window is included.
    expect((await increase(90_000))[0]?.value).toBeCloseTo(6)
    expect((await rate(200_000))[0]?.value).toBeCloseTo(6 / 170)
  })

  test('a quantile of a histogram, by group, over the window', async () => {
    const histogram = new Histogram({
      name: 'latency',
      help: 'x',
      labelNames: ['service'],
      buckets: [0.1, 0.5, 1],
      registers: [registry],
    })
    const p90 = read({
      metric: 'latency',
      aggregate: { kind: 'quantile', quantile: 0.9, windowMs: 60_000 },
      groupBy: ['service'],
    })
    for (let count = 0; count < 1_000; count++) histogram.observe({ service: 'a' }, 5)
    expect(await p90(0)).toEqual([])
    for (let count = 0; count < 80; count++) histogram.observe({ service: 'a' }, 0.05)
    for (let count = 0; count < 20; count++) histogram.observe({ service: 'a' }, 0.3)
    for (let count = 0; count < 5; count++) histogram.observe({ service: 'b' }, 7)
    const [a, b] = await p90(15_000)
    expect(a).toEqual({ labels: { service: 'a' }, value: expect.closeTo(0.3) })
    expect(b).toEqual({ labels: { service: 'b' }, value: 1 })
    expect(await p90(60_000)).toHaveLength(2)
    expect(await p90(100_000)).toEqual([])
  })
})

test.each<[string, [number, number][], number, number | undefined]>([
  [
    'nothing seen',
    [
      [1, 0],
      [Infinity, 0],
    ],
    0.5,
    undefined,
  ],
  ['no buckets', [], 0.5, undefined],
  ['one bucket', [[Infinity, 5]], 0.5, undefined],
  [
    'between bounds',
    [
      [1, 0],
      [2, 10],
      [Infinity, 10],
    ],
    0.5,
    1.5,
  ],
  [
    'in the first',
    [
      [4, 10],
      [Infinity, 10],
    ],
    0.5,
    2,
  ],
  [
    'below 0',
    [
      [-1, 10],
      [Infinity, 10],
    ],
    0.5,
    -1,
  ],
  [
    'the least',
    [
      [1, 0],
      [2, 10],
      [Infinity, 10],
    ],
    0,
    1,
  ],
  [
    'beyond',
    [
      [1, 1],
      [2, 2],
      [Infinity, 10],
    ],
    0.9,
    2,
  ],
  [
    'unsorted',
    [
      [Infinity, 10],
      [2, 10],
      [1, 0],
    ],
    1,
    2,
  ],
])('quantile with %s', (_, counts, quantile, expected) => {
  expect(histogramQuantile(quantile, new Map(counts))).toBe(expected)
})

test('growth over a window is the growth of the counter, with any restarts', () => {
  const anySteps = fc.array(fc.record({ afterMs: fc.integer({ min: 1, max: 30 }), by: fc.nat(100), restarts: fc.boolean() }), {
    minLength: 2,
    maxLength: 60,
  })
  fc.assert(
    fc.property(anySteps, fc.integer({ min: 1, max: 60 }), (steps, windowMs) => {
      const history = createSeriesHistory(windowMs)
      const seen: { at: number; grown: number }[] = []
      let reads = 0
      for (const { afterMs, by, restarts } of steps) {
        const previous = seen.at(-1)
        const now = (previous?.at ?? 0) + afterMs
        // A restart is visible only if the counter is lower than before.
        const isRestart = restarts && by < reads
        reads = isRestart ? by : reads + by
        seen.push({ at: now, grown: (previous?.grown ?? 0) + by })
        const growth = history.update(new Map([['s', reads]]), now).get('s')
        const base = seen.findLast(({ at }) => at <= now - windowMs) ?? seen[0]
        if (!previous || !base || base.at === now) expect(growth).toBeUndefined()
        else expect(growth?.perMs).toBeCloseTo(((seen.at(-1)?.grown ?? 0) - base.grown) / (now - base.at))
      }
    }),
    { seed: 5, numRuns: 500 },
  )
})

test('history is bounded: missing series are removed, and a long window has few points', () => {
  const history = createSeriesHistory(60_000)
  history.update(new Map([['s', 5]]), 0)
  history.update(new Map(), 61_000)
  expect(history.update(new Map([['s', 7]]), 61_001).get('s')?.perMs).toBe(7)
  for (let now = 61_002; now < 200_000; now += 10) history.update(new Map([['s', now]]), now)
  expect(history.update(new Map([['s', 200_000]]), 200_000).get('s')).toMatchObject({
    perMs: expect.closeTo(1),
    knownMs: expect.closeTo(60_500, -3),
  })
})

test('an invalid registry is rejected', () => {
  expect(() => createPrometheusSource({} as never)).toThrow('Invalid registry.getMetricsAsJSON')
})

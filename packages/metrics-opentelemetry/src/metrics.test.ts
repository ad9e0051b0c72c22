import { metrics as api, type Meter } from '@opentelemetry/api'
import { AggregationTemporality, MeterProvider } from '@opentelemetry/sdk-metrics'
import { publishTelemetry, reportStates } from '@sd/core'
import { metricTable } from '@sd/metrics-kit'
import { createTelemetryCall, publishEverything, stateReports } from '@sd/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { createOpenTelemetryMetrics, type OpenTelemetryMetricsOptions } from './index.ts'
import { ManualReader, type Measured, startMeasured } from './testing/measured.ts'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

function start(...given: Parameters<typeof startMeasured>): Measured {
  const measured = startMeasured(...given)
  open.push(() => measured[Symbol.asyncDispose]())
  return measured
}

function endCall(service: string): void {
  publishTelemetry('sd:v1:call:end', { call: createTelemetryCall({ service }), status: 200, durationMs: 40, attempts: 1 })
}

test('measures events and states under the names of the table, with unit and description', async () => {
  const measured = start()
  open.push(publishEverything())
  const samples = await measured.collect()
  expect(samples.get('sd.calls{method="GET",service="orders",status="200"}')).toBe(1)
  expect(samples.get('sd.calls.active{service="orders"}')).toBe(0)
  expect(samples.get('sd.call.duration{method="GET",service="orders",status_class="2xx"}')).toBe(1)
  expect(samples.get('sd.call.duration.sum{method="GET",service="orders",status_class="2xx"}')).toBe(0.7)
  expect(samples.get('sd.call.hedge.outcomes{service="orders",winner="hedge"}')).toBe(1)
  expect(samples.get('sd.sticky.picks{balancer="sticky-p2c",outcome="hit",service="orders"}')).toBe(1)
  expect(samples.get('sd.subset.picks{outcome="base",service="orders",subset="unknown"}')).toBe(1)
  expect(samples.get('sd.locks.held{lock="etcd"}')).toBe(1)
  expect(samples.get('sd.lock.hold.duration{lock="etcd",state="lost"}')).toBe(1)
  expect(samples.get('sd.config.version{config="app"}')).toBe(3)
  const found = (await measured.collectAll()).scopeMetrics.flatMap(({ scope, metrics }) => {
    expect(scope.name).toBe('@sd/metrics-opentelemetry')
    return metrics.map(({ descriptor: { name, unit, description } }) => ({ name, unit, description }))
  })
  const known = metricTable.map(({ name, unit, help }) => ({ name: `sd.${name}`, unit, description: help }))
  // All were published, except that no metric had too many series.
  expect(found).toEqual(expect.arrayContaining(known.filter(({ name }) => name !== 'sd.metrics.overflow')))
})

test('series are bounded: new ones are counted as other', async () => {
  const measured = start({ maxSeries: 3 })
  for (let index = 0; index < 100; index++) endCall(`service-${index}`)
  const samples = await measured.collect()
  const calls = [...samples].filter(([key]) => key.startsWith('sd.calls{'))
  expect(calls).toHaveLength(4)
  expect(samples.get('sd.calls{method="other",service="other",status="other"}')).toBe(97)
  expect(samples.get('sd.call.duration{method="other",service="other",status_class="other"}')).toBe(97)
  expect(samples.get('sd.metrics.overflow{metric="calls_total"}')).toBe(97)
})

test('a state of a closed component is 0', async () => {
  const measured = start()
  const end = reportStates(() => stateReports)
  const key = 'sd.concurrency.limit{limit="bulkhead",service="orders"}'
  expect((await measured.collect()).get(key)).toBe(20)
  end()
  expect((await measured.collect()).get(key)).toBe(0)
  const endAgain = reportStates(() => stateReports)
  open.push(endAgain)
  expect((await measured.collect()).get(key)).toBe(20)
})

test('one collection asks each component once', async () => {
  const measured = start()
  let asked = 0
  open.push(
    reportStates(() => {
      asked++
      return []
    }),
  )
  await measured.collect()
  await measured.collect()
  expect(asked).toBe(2)
})

test('a reader of deltas gets what was added since its last collection', async () => {
  const reader = new ManualReader({ aggregationTemporalitySelector: () => AggregationTemporality.DELTA })
  const measured = start({}, reader)
  const key = 'sd.calls{method="GET",service="orders",status="200"}'
  endCall('orders')
  endCall('orders')
  expect((await measured.collect()).get(key)).toBe(2)
  endCall('orders')
  expect((await measured.collect()).get(key)).toBe(1)
})

test('nothing is measured after close', async () => {
  const measured = start()
  endCall('orders')
  const before = await measured.collect()
  measured.close()
  measured.close()
  endCall('orders')
  open.push(reportStates(() => stateReports))
  expect(await measured.collect()).toEqual(before)
})

test('takes a meter, another prefix, buckets and labels of instances', async () => {
  const reader = new ManualReader()
  const provider = new MeterProvider({ readers: [reader] })
  open.push(() => provider.shutdown())
  const measured = startMeasured({
    meterProvider: undefined as never,
    meter: provider.getMeter('shop'),
    prefix: 'shop.',
    buckets: [0.1, 1],
    instanceLabels: true,
  })
  open.push(() => measured[Symbol.asyncDispose](), publishEverything())
  const { scopeMetrics } = (await reader.collect()).resourceMetrics
  expect(scopeMetrics.map(({ scope }) => scope.name)).toEqual(['shop'])
  const found = new Map(scopeMetrics[0]?.metrics.map((metric) => [metric.descriptor.name, metric]))
  const duration = found.get('shop.call.duration')?.dataPoints.map(({ value }) => value)
  expect(duration).toContainEqual(expect.objectContaining({ buckets: { boundaries: [0.1, 1], counts: [0, 1, 0] } }))
  const attempts = found.get('shop.attempts')?.dataPoints.map(({ attributes }) => attributes)
  expect(attempts).toContainEqual({ service: 'orders', status: '503', instance_id: 'a' })
})

test('uses the provider that is registered with the API', async () => {
  const reader = new ManualReader()
  const provider = new MeterProvider({ readers: [reader] })
  api.setGlobalMeterProvider(provider)
  open.push(
    () => provider.shutdown(),
    () => api.disable(),
  )
  using metrics = createOpenTelemetryMetrics()
  endCall('orders')
  const { scopeMetrics } = (await reader.collect()).resourceMetrics
  expect(scopeMetrics.flatMap((scope) => scope.metrics).map(({ descriptor }) => descriptor.name)).toContain('sd.calls')
  expect(metrics.close).toBeTypeOf('function')
})

describe('a failure', () => {
  test('of an event does not reach its publisher, and others are measured', async () => {
    const errors: unknown[] = []
    const measured = start({
      onError(error) {
        errors.push(error)
        throw new Error('bug')
      },
    })
    publishTelemetry('sd:v1:call:end', { call: null as never, durationMs: 1, attempts: 1 })
    publishTelemetry('sd:v1:call:end', { call: createTelemetryCall(), durationMs: Number.NaN, attempts: 1 })
    expect(errors).toHaveLength(2)
    expect((await measured.collect()).get('sd.calls{method="GET",service="orders",status="none"}')).toBe(1)
  })

  test('of one report does not affect the others', async () => {
    const errors: unknown[] = []
    const measured = start({ onError: (error) => errors.push(error) })
    open.push(reportStates(() => [{ kind: 'cluster', service: 'odd' } as never, ...stateReports]))
    expect((await measured.collect()).get('sd.retry_budget.available{service="orders"}')).toBe(11)
    expect(errors.length).toBeGreaterThan(0)
  })
})

test.each([
  [{ prefix: '1' }, 'prefix'],
  [{ prefix: 'a-b' }, 'prefix'],
  [{ names: 'statsd' }, 'names'],
  [{ buckets: [1, 1] }, 'buckets[1]'],
  [{ maxSeries: 0 }, 'maxSeries'],
  [{ meterProvider: {} }, 'meterProvider.getMeter'],
  [{ meter: {} }, 'meter.createHistogram'],
  [{ meter: {} as Meter, meterProvider: new MeterProvider() }, 'meterProvider'],
  [{ idleMs: 1 }, 'idleMs'],
])('%o is refused', (options, field) => {
  expect(() => createOpenTelemetryMetrics(options as OpenTelemetryMetricsOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field }),
  )
})

import { publishTelemetry, SdError } from '@sd/core'
import { createTelemetryCall, publishEverything } from '@sd/testing'
import { Counter, register as globalRegister, Registry } from 'prom-client'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createMetrics, type Metrics, type MetricsOptions } from './index.ts'
import { readSamples, readValue } from './testing/read-metrics.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

function start(options?: MetricsOptions): Metrics {
  const metrics = createMetrics(options)
  open.push(metrics.close)
  return metrics
}

function publishAll(): void {
  open.push(publishEverything())
}

describe('events are counted', () => {
  test('of calls and attempts', async () => {
    const { register } = start()
    publishAll()
    expect(await readSamples(register)).toEqual(
      expect.arrayContaining([
        'sd_calls_active{service="orders"} 0',
        'sd_calls_total{service="orders",method="GET",status="200"} 1',
        'sd_calls_total{service="orders",method="other",status="none"} 1',
        'sd_call_errors_total{service="orders",code="SD_TIMEOUT",origin="peer"} 1',
        'sd_call_duration_seconds_bucket{le="0.5",service="orders",method="GET",status_class="2xx"} 0',
        'sd_call_duration_seconds_bucket{le="1",service="orders",method="GET",status_class="2xx"} 1',
        'sd_call_duration_seconds_sum{service="orders",method="GET",status_class="2xx"} 0.7',
        'sd_attempts_total{service="orders",status="503"} 1',
        'sd_attempts_total{service="orders",status="none"} 1',
        'sd_attempt_errors_total{service="orders",code="SD_TIMEOUT",origin="peer"} 1',
        'sd_attempt_latency_seconds_sum{service="orders",status_class="5xx"} 0.02',
        'sd_attempt_latency_seconds_sum{service="orders",status_class="none"} 0.3',
        'sd_call_retries_total{service="orders",reason="503"} 1',
        'sd_call_retries_total{service="orders",reason="SD_TIMEOUT"} 1',
        'sd_call_hedges_total{service="orders"} 1',
        'sd_call_collapses_total{service="orders"} 1',
        'sd_call_refusals_total{service="orders",policy="breaker",name="orders"} 1',
        'sd_call_fallbacks_total{service="orders",code="SD_TIMEOUT"} 1',
      ]),
    )
  })

  test('of policies, monitors, Discovery, registries and configurations', async () => {
    const { register } = start()
    publishAll()
    expect(await readSamples(register)).toEqual(
      expect.arrayContaining([
        'sd_breaker_transitions_total{breaker="orders",state="open",reason="failure-rate"} 1',
        'sd_rate_limit_decisions_total{limiter="api",decision="refused",degraded="open"} 1',
        'sd_endpoint_ejections_total{service="orders",monitor="outlier",reason="consecutive-5xx"} 1',
        'sd_endpoint_restores_total{service="orders",monitor="outlier"} 1',
        'sd_cluster_panics_total{service="orders"} 1',
        'sd_discovery_instance_changes_total{service="orders",change="added"} 1',
        'sd_discovery_instance_changes_total{service="orders",change="removed"} 0',
        'sd_health_checks_total{service="orders",check="http",code="ok"} 1',
        'sd_health_checks_total{service="orders",check="http",code="SD_TIMEOUT"} 1',
        'sd_health_check_duration_seconds_count{service="orders",check="http"} 2',
        'sd_backend_operations_total{backend="memory",operation="getInstances",code="ok"} 1',
        'sd_backend_operations_total{backend="memory",operation="getInstances",code="SD_TIMEOUT"} 1',
        'sd_backend_operation_duration_seconds_sum{backend="memory",operation="getInstances"} 0.004',
        'sd_backend_state_changes_total{backend="memory",state="disconnected"} 1',
        'sd_registration_state_changes_total{registry="memory",service="orders",state="active"} 1',
        'sd_registrations{registry="memory",service="orders",state="active"} 1',
        'sd_config_updates_total{config="app",code="ok"} 1',
        'sd_config_updates_total{config="app",code="SD_TIMEOUT"} 1',
        'sd_config_update_duration_seconds_sum{config="app"} 0.006',
      ]),
    )
  })

  test('by instance, with instanceLabels', async () => {
    const { register } = start({ instanceLabels: true })
    publishAll()
    expect(await readSamples(register)).toEqual(
      expect.arrayContaining([
        'sd_attempts_total{service="orders",status="503",instance_id="a"} 1',
        'sd_endpoint_ejections_total{service="orders",monitor="outlier",reason="consecutive-5xx",instance_id="a"} 1',
        'sd_breaker_state{service="orders",breaker="orders",scope="instance",state="half-open",instance_id="b"} 1',
        'sd_breaker_state{service="orders",breaker="orders",scope="service",state="open",instance_id=""} 1',
      ]),
    )
  })
})

test('active calls are those whose start was observed', async () => {
  const early = createTelemetryCall()
  const { register } = start()
  const seen = createTelemetryCall()
  publishTelemetry('sd:v1:call:start', { call: seen })
  publishTelemetry('sd:v1:call:end', { call: early, status: 200, durationMs: 1, attempts: 1 })
  expect(await readValue(register, 'sd_calls_active{service="orders"}')).toBe(1)
  publishTelemetry('sd:v1:call:end', { call: seen, status: 200, durationMs: 1, attempts: 1 })
  expect(await readValue(register, 'sd_calls_active{service="orders"}')).toBe(0)
})

test('series are bounded: new ones are counted as other', async () => {
  const { register } = start({ maxSeries: 3 })
  for (let index = 0; index < 100; index++) {
    const call = createTelemetryCall({ service: `service-${index}` })
    publishTelemetry('sd:v1:call:start', { call })
    publishTelemetry('sd:v1:call:end', { call, status: 200, durationMs: 1, attempts: 1 })
  }
  const lines = (await readSamples(register)).filter((line) => line.startsWith('sd_calls_total'))
  expect(lines).toHaveLength(4)
  expect(lines).toContain('sd_calls_total{service="other",method="other",status="other"} 97')
  expect(await readValue(register, 'sd_calls_active{service="other"}')).toBe(0)
  expect(await readValue(register, 'sd_call_duration_seconds_count{service="other",method="other",status_class="other"}')).toBe(
    97,
  )
  expect(await readValue(register, 'sd_metrics_overflow_total{metric="calls_total"}')).toBe(97)
})

test('invented names are removed first, and a real service that comes later does not stay under other', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const { register } = start({ maxSeries: 50 })
    const end = (service: string, isReached: boolean): void => {
      const call = createTelemetryCall({ service })
      publishTelemetry('sd:v1:call:start', { call })
      if (isReached) {
        const origin = 'http://10.0.0.1:80'
        publishTelemetry('sd:v1:attempt:end', {
          call,
          status: 200,
          durationMs: 1,
          attempts: 1,
          instanceId: 'a',
          origin,
          latencyMs: 1,
        })
      }
      const error = isReached ? undefined : new SdError('SD_NO_INSTANCE', 'none')
      publishTelemetry('sd:v1:call:end', { call, status: isReached ? 200 : undefined, error, durationMs: 1, attempts: 1 })
    }
    end('real', true)
    const underWay = createTelemetryCall({ service: 'slow' })
    publishTelemetry('sd:v1:call:start', { call: underWay })
    for (let guess = 0; guess < 10_000; guess++) end(`guess-${guess}`, false)
    const early = createTelemetryCall({ service: 'late' })
    publishTelemetry('sd:v1:call:start', { call: early })
    vi.advanceTimersByTime(11_000)
    end('late', true)
    publishTelemetry('sd:v1:call:end', { call: early, status: 200, durationMs: 1, attempts: 1 })
    const counted = async (): Promise<readonly string[]> =>
      (await readSamples(register)).filter((line) => line.startsWith('sd_calls_total') || line.startsWith('sd_calls_active'))
    expect((await counted()).toSorted()).toEqual([
      'sd_calls_active{service="late"} 0',
      'sd_calls_active{service="other"} 0',
      'sd_calls_active{service="real"} 0',
      'sd_calls_active{service="slow"} 1',
      'sd_calls_total{service="late",method="GET",status="200"} 2',
      'sd_calls_total{service="other",method="other",status="other"} 9951',
      'sd_calls_total{service="real",method="GET",status="200"} 1',
    ])
    vi.advanceTimersByTime(600_001)
    for (let service = 0; service < 60; service++) end(`new-${service}`, true)
    expect(await counted()).not.toContain('sd_calls_total{service="real",method="GET",status="200"} 1')
    publishTelemetry('sd:v1:call:end', { call: underWay, status: 200, durationMs: 1, attempts: 1 })
    expect(await counted()).toContain('sd_calls_active{service="slow"} 0')
  } finally {
    vi.useRealTimers()
  }
})

describe('a register', () => {
  test('can be supplied, with other metrics in it and under another prefix', async () => {
    const register = new Registry()
    new Counter({ name: 'mine_total', help: 'Mine.', registers: [register] }).inc()
    const metrics = start({ register, prefix: 'shop_' })
    start({ register, prefix: '' })
    publishAll()
    expect(metrics.register).toBe(register)
    expect(await readValue(register, 'shop_call_hedges_total{service="orders"}')).toBe(1)
    expect(await readValue(register, 'call_hedges_total{service="orders"}')).toBe(1)
    metrics.close()
    metrics.close()
    const names = (await readSamples(register)).map((line) => line.split(/[ {]/)[0])
    expect(names).toContain('mine_total')
    expect(names.filter((name) => name?.startsWith('shop_'))).toEqual([])
    expect(names).toContain('call_hedges_total')
  })

  test('can be prom-client’s global one, and two can be used at once', async () => {
    const [one, two, shared] = [start(), start({ labels: { app: 'shop' } }), start({ register: globalRegister })]
    publishAll()
    expect(await readValue(one.register, 'sd_call_hedges_total{service="orders"}')).toBe(1)
    expect(await readValue(two.register, 'sd_call_hedges_total{service="orders",app="shop"}')).toBe(1)
    expect(await readValue(shared.register, 'sd_call_hedges_total{service="orders"}')).toBe(1)
    shared.close()
    expect(globalRegister.getMetricsAsArray()).toEqual([])
  })

  test('that already has one of the metrics is left unchanged', () => {
    const register = new Registry()
    new Counter({ name: 'sd_attempts_total', help: 'Mine.', registers: [register] })
    expect(() => createMetrics({ register })).toThrow(expect.objectContaining({ code: 'SD_CONFLICT' }))
    expect(register.getMetricsAsArray()).toHaveLength(1)
  })

  test('gets no more updates after close', () => {
    const metrics = createMetrics()
    metrics[Symbol.dispose]()
    publishAll()
    expect(metrics.register.getMetricsAsArray()).toEqual([])
    expect(() => metrics.gauge({ name: 'late', help: 'Late.' })).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
    const collector = { name: 'late', intervalMs: 1_000, collect: () => {} }
    expect(() => metrics.addCollector(collector)).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
  })
})

test('neither a failing listener nor a failing onError affects anything else', async () => {
  const errors: unknown[] = []
  const { register } = start({
    onError(error) {
      errors.push(error)
      throw new Error('bug')
    },
  })
  publishTelemetry('sd:v1:call:end', { call: null as never, durationMs: 1, attempts: 1 })
  publishTelemetry('sd:v1:call:end', { call: createTelemetryCall(), durationMs: Number.NaN, attempts: 1 })
  expect(errors).toHaveLength(2)
  expect(await readValue(register, 'sd_calls_total{service="orders",method="GET",status="none"}')).toBe(1)
})

test('custom metrics get the prefix, and the same name returns the same metric', async () => {
  const metrics = start()
  const definition = { name: 'carts_open', help: 'Open carts.', labelNames: ['shop'] } as const
  metrics.gauge(definition).set({ shop: 'a' }, 3)
  expect(metrics.gauge(definition)).toBe(metrics.gauge(definition))
  expect(await readValue(metrics.register, 'sd_carts_open{shop="a"}')).toBe(3)
  const buckets = [1, 2]
  metrics.histogram({ name: 'cart_items', help: 'Items in a cart.', buckets }).observe(2)
  expect(Object.isFrozen(buckets)).toBe(false)
  for (const bad of [() => metrics.counter(definition), () => metrics.gauge({ name: 'no-name', help: 'Bad.' })]) {
    expect(bad).toThrow(SdError)
  }
})

test.each([
  [{ prefix: 'a-b' }, 'prefix'],
  [{ buckets: [] }, 'buckets'],
  [{ buckets: [1, 1] }, 'buckets[1]'],
  [{ buckets: [0] }, 'buckets[0]'],
  [{ maxSeries: 0 }, 'maxSeries'],
  [{ exemplar: 1 }, 'exemplar'],
  [{ register: {} }, 'register.registerMetric'],
  [{ register: new Registry(), labels: {} }, 'labels'],
  [{ labels: { 'a-b': 'c' } }, 'labels.a-b'],
  [{ exemplars: true }, 'exemplars'],
])('%o is refused', (options, field) => {
  expect(() => createMetrics(options as MetricsOptions)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

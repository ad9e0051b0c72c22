import { type ClusterStateReport, type ConfigStateReport, reportStates, type StateReport } from '@sd/core'
import { stateReports } from '@sd/testing'
import { afterEach, expect, test } from 'vitest'
import { createMetrics, type Metrics } from './index.ts'
import { readSamples, readValue } from './testing/read-metrics.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

function start(): Metrics {
  const metrics = createMetrics()
  open.push(metrics.close)
  return metrics
}

function report(...states: readonly StateReport[]): () => void {
  const end = reportStates(() => states)
  open.push(end)
  return end
}

const cluster = stateReports.find((state) => state.kind === 'cluster') as ClusterStateReport
const config = stateReports.find((state) => state.kind === 'config') as ConfigStateReport

async function samplesOf(metrics: Metrics, pattern: RegExp): Promise<readonly string[]> {
  return (await readSamples(metrics.register)).filter((line) => pattern.test(line))
}

test('states are collected at each reading, and closed components disappear', async () => {
  const metrics = start()
  const end = report(...stateReports)
  expect(await readSamples(metrics.register)).toEqual(
    expect.arrayContaining([
      'sd_instances{service="orders",health="healthy"} 4',
      'sd_instances{service="orders",health="draining"} 0',
      'sd_endpoints_eligible{service="orders"} 3',
      'sd_endpoints_ejected{service="orders"} 1',
      'sd_endpoints_out{service="orders",reason="ejected"} 1',
      'sd_endpoints_out{service="orders",reason="retry-after"} 2',
      'sd_endpoints_held{service="orders"} 2',
      'sd_cluster_panic{service="orders"} 0',
      'sd_discovery_stale_seconds{service="orders"} 1.5',
      'sd_breaker_state{service="orders",breaker="orders",scope="service",state="open"} 1',
      'sd_breaker_state{service="orders",breaker="orders",scope="service",state="closed"} 0',
      'sd_breaker_state{service="orders",breaker="orders",scope="instance",state="closed"} 1',
      'sd_breaker_state{service="orders",breaker="orders",scope="instance",state="half-open"} 1',
      'sd_concurrency_limit{service="orders",limit="bulkhead"} 20',
      'sd_concurrency_active{service="orders",limit="bulkhead"} 7',
      'sd_concurrency_waiting{service="orders",limit="bulkhead"} 2',
      'sd_retry_budget_available{service="orders"} 11',
      'sd_backend_state{backend="memory",state="connected"} 1',
      'sd_backend_state{backend="memory",state="disconnected"} 0',
      'sd_config_version{config="app"} 3',
      'sd_config_last_update_timestamp_seconds{config="app"} 1700000000.5',
      'sd_config_stale_sources{config="app"} 1',
      'sd_config_refused_sources{config="app"} 2',
      'sd_config_degraded_seconds{config="app"} 2.5',
    ]),
  )
  end()
  expect(await samplesOf(metrics, /^sd_(instances|endpoints|cluster|breaker|concurrency|retry|registry|config)/)).toEqual([])
})

test('several clusters of a service show the largest values, limits are added up', async () => {
  const metrics = start()
  report(...stateReports)
  report({ ...cluster, eligible: 5, ejected: 0, isPanic: true }, { kind: 'retry-budget', service: 'orders', available: 4 })
  expect(await samplesOf(metrics, /^sd_(endpoints|cluster_panic|retry)/)).toEqual(
    [
      'sd_cluster_panic{service="orders"} 1',
      'sd_endpoints_eligible{service="orders"} 5',
      'sd_endpoints_ejected{service="orders"} 1',
      'sd_endpoints_held{service="orders"} 2',
      'sd_endpoints_out{service="orders",reason="ejected"} 1',
      'sd_endpoints_out{service="orders",reason="retry-after"} 2',
      'sd_retry_budget_available{service="orders"} 15',
    ].sort(),
  )
})

test('several configurations with one name show the largest values', async () => {
  const metrics = start()
  report(config, { ...config, version: 1, staleSources: [], refusedSources: [], degradedForMs: 0 })
  report({ ...config, config: 'other', version: 7 })
  expect(await samplesOf(metrics, /^sd_config_(version|stale_sources|degraded)/)).toEqual([
    'sd_config_degraded_seconds{config="app"} 2.5',
    'sd_config_degraded_seconds{config="other"} 2.5',
    'sd_config_stale_sources{config="app"} 1',
    'sd_config_stale_sources{config="other"} 1',
    'sd_config_version{config="app"} 3',
    'sd_config_version{config="other"} 7',
  ])
})

test('a malformed report does not affect the others', async () => {
  const errors: unknown[] = []
  const metrics = createMetrics({ onError: (error) => errors.push(error) })
  open.push(metrics.close)
  report({ kind: 'cluster', service: 'odd' } as unknown as StateReport, ...stateReports)
  expect(await readValue(metrics.register, 'sd_retry_budget_available{service="orders"}')).toBe(11)
  expect(errors).toEqual([expect.any(TypeError), expect.objectContaining({ code: 'SD_INVALID', field: 'amount' })])
})

test('an unknown kind of state is ignored', async () => {
  const metrics = start()
  report({ kind: 'from-the-future' } as unknown as StateReport, ...stateReports)
  expect(await readValue(metrics.register, 'sd_retry_budget_available{service="orders"}')).toBe(11)
})

test('lookups never decrease, whichever Discovery is closed', async () => {
  const metrics = start()
  const hits = (): Promise<number | undefined> =>
    readValue(metrics.register, 'sd_discovery_lookups_total{service="orders",result="hit"}')
  let count = 10
  open.push(reportStates(() => [{ ...cluster, startedAt: 1, hits: count }]))
  const endSecond = report({ ...cluster, startedAt: 2, hits: 100 })
  expect(await hits()).toBe(110)
  expect(await hits()).toBe(110)
  count = 15
  endSecond()
  expect(await hits()).toBe(115)
  report({ ...cluster, startedAt: 3, hits: 2 })
  expect(await hits()).toBe(117)
  count = 1
  expect(await hits()).toBe(118)
  expect(await samplesOf(metrics, /^sd_discovery_(lookups|updates)/)).toEqual([
    'sd_discovery_lookups_total{service="orders",result="hit"} 118',
    'sd_discovery_lookups_total{service="orders",result="miss"} 3',
    'sd_discovery_updates_total{service="orders"} 6',
  ])
})

test('registrations are counted by their state', async () => {
  const metrics = start()
  const registration = { kind: 'registration', registry: 'etcd', service: 'orders' } as const
  const end = report(
    { ...registration, instanceId: 'a', state: 'active' },
    { ...registration, instanceId: 'b', state: 'active' },
    { ...registration, instanceId: 'c', state: 'recovering' },
  )
  expect(await samplesOf(metrics, /^sd_registrations\{registry="etcd"/)).toEqual([
    'sd_registrations{registry="etcd",service="orders",state="active"} 2',
    'sd_registrations{registry="etcd",service="orders",state="recovering"} 1',
  ])
  end()
  expect(await samplesOf(metrics, /^sd_registrations\{registry="etcd"/)).toEqual([])
})

test('one reading collects the states once', async () => {
  const metrics = start()
  let asked = 0
  open.push(
    reportStates(() => {
      asked++
      return []
    }),
  )
  await metrics.register.metrics()
  await metrics.register.getSingleMetricAsString('sd_instances')
  expect(asked).toBe(2)
})

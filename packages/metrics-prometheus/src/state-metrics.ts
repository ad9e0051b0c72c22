import {
  type CircuitState,
  type ClusterStateReport,
  type ConfigStateReport,
  type ConnectionState,
  collectStates,
  type StateReport,
} from '@sd/core'
import { measureGatewayStates } from './gateway-metrics.ts'
import { createLookupCounts } from './lookup-counts.ts'
import type { MetricContext } from './metric-context.ts'
import type { GaugeSeries } from './series.ts'

const circuitStates: readonly CircuitState[] = ['closed', 'open', 'half-open', 'isolated']
const backendStates: readonly ConnectionState[] = ['connected', 'disconnected', 'closed']

/**
 * Gauges of the state of all live components, collected whenever the metrics are read. Closed components disappear.
 * Values of components with the same name are added up. Clusters and configurations show the largest value instead:
 * several Discoveries see the same instances, and a sum of versions has no meaning.
 */
export function measureStates(context: MetricContext): void {
  const { series } = context
  const gauges: GaugeSeries[] = []
  let isFresh = false

  const takeCluster = measureClusters(gauge)
  const breakers = gauge('breaker_state', 'Number of circuit breakers in each state.', [
    ...['service', 'breaker', 'scope', 'state'],
    ...context.instanceName,
  ])
  const limitMax = gauge('concurrency_limit', 'Current concurrency limit.', ['service', 'limit'])
  const limitActive = gauge('concurrency_active', 'Operations in progress under a concurrency limit.', ['service', 'limit'])
  const limitWaiting = gauge('concurrency_waiting', 'Operations waiting for a concurrency limit.', ['service', 'limit'])
  const budgets = gauge('retry_budget_available', 'Retries and hedges that the budget would grant now.', ['service'])
  const connections = gauge('backend_state', '1 for the current state of the connection to a backend, 0 for the others.', [
    'backend',
    'state',
  ])
  const registrations = gauge('registrations', 'Registrations of this process, by state.', ['registry', 'service', 'state'])
  const takeConfig = measureConfigurations(gauge)
  const takeGateway = measureGatewayStates(gauge)
  const countLookups = createLookupCounts(series, collect)

  // prom-client reads all metrics in one go: the first of them collects the states for all.
  function collect(): void {
    if (isFresh) return
    isFresh = true
    queueMicrotask(() => {
      isFresh = false
    })
    for (const each of gauges) each.clear()
    const states = collectStates()
    for (const state of states) takeGuarded(state)
    countLookups(states.filter((state) => state.kind === 'cluster'))
  }
  function gauge(name: string, help: string, labelNames: readonly string[]): GaugeSeries {
    const made = series.gauge({ name, help, labelNames, collect })
    gauges.push(made)
    return made
  }
  // A report can come from another version of a package. A malformed one must not break the whole page.
  function takeGuarded(state: StateReport): void {
    try {
      take(state)
    } catch (error) {
      context.options.onError(error)
    }
  }
  function take(state: StateReport): void {
    switch (state.kind) {
      case 'backend':
        for (const each of backendStates) connections.add([state.backend, each], each === state.state ? 1 : 0)
        break
      case 'registration':
        registrations.add([state.registry, state.service, state.state], 1)
        break
      case 'cluster':
        takeCluster(state)
        break
      case 'breaker':
        takeBreaker(state)
        break
      case 'limit':
        limitMax.add([state.service, state.limit], state.max)
        limitActive.add([state.service, state.limit], state.active)
        limitWaiting.add([state.service, state.limit], state.waiting)
        break
      case 'retry-budget':
        budgets.add([state.service], state.available)
        break
      case 'config':
        takeConfig(state)
        break
      case 'gateway':
        takeGateway(state)
    }
  }
  function takeBreaker({ service, breaker, instanceId, state }: Extract<StateReport, { readonly kind: 'breaker' }>): void {
    const scope = instanceId === undefined ? 'service' : 'instance'
    for (const each of circuitStates) {
      breakers.add([service, breaker, scope, each, ...context.instanceValue(instanceId ?? '')], each === state ? 1 : 0)
    }
  }
}

type CreateGauge = (name: string, help: string, labelNames: readonly string[]) => GaugeSeries

function measureClusters(gauge: CreateGauge): (state: ClusterStateReport) => void {
  const instances = gauge('instances', 'Instances in the last known list, by reported health.', ['service', 'health'])
  const eligible = gauge('endpoints_eligible', 'Endpoints that can receive traffic.', ['service'])
  const ejected = gauge('endpoints_ejected', 'Endpoints that are ejected by a monitor.', ['service'])
  const out = gauge('endpoints_out', 'Endpoints without traffic, by the first reason that applies.', ['service', 'reason'])
  const held = gauge('endpoints_held', 'Endpoints kept although the source no longer lists them.', ['service'])
  const panic = gauge(
    'cluster_panic',
    '1 while the cluster is in panic (too few healthy endpoints, so all are used), otherwise 0.',
    ['service'],
  )
  const stale = gauge('discovery_stale_seconds', 'Seconds since the source of the instance list became unreachable, or 0.', [
    'service',
  ])

  return ({ service, instances: counts, ...cluster }: ClusterStateReport) => {
    for (const [health, count] of Object.entries(counts)) instances.raise([service, health], count)
    eligible.raise([service], cluster.eligible)
    ejected.raise([service], cluster.ejected)
    for (const [reason, count] of Object.entries(cluster.outBy ?? {})) out.raise([service, reason], count)
    held.raise([service], cluster.held)
    panic.raise([service], cluster.isPanic ? 1 : 0)
    stale.raise([service], cluster.staleForMs / 1_000)
  }
}

function measureConfigurations(gauge: CreateGauge): (state: ConfigStateReport) => void {
  const versions = gauge('config_version', 'Version of the configuration in effect: 1 at the start, plus 1 with every change.', [
    'config',
  ])
  const updated = gauge(
    'config_last_update_timestamp_seconds',
    'Unix time at which the current configuration version took effect.',
    ['config'],
  )
  const staleSources = gauge(
    'config_stale_sources',
    'Number of unreachable configuration sources; their last values stay in effect.',
    ['config'],
  )
  const refusedSources = gauge(
    'config_refused_sources',
    'Number of configuration sources whose latest content was rejected; the values before stay in effect.',
    ['config'],
  )
  const degraded = gauge(
    'config_degraded_seconds',
    'Seconds since a configuration source became unreachable or was rejected, or 0.',
    ['config'],
  )

  return ({ config, ...state }: ConfigStateReport) => {
    versions.raise([config], state.version)
    updated.raise([config], state.updatedAt / 1_000)
    staleSources.raise([config], state.staleSources.length)
    refusedSources.raise([config], state.refusedSources.length)
    degraded.raise([config], state.degradedForMs / 1_000)
  }
}

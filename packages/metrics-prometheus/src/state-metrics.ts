import {
  type BreakerStateReport,
  type CircuitState,
  type ClusterStateReport,
  type ConfigStateReport,
  type ConnectionState,
  collectStates,
  type StateReport,
} from '@sd/core'
import { createLookupCounts } from './lookup-counts.ts'
import type { MetricContext } from './metric-context.ts'
import type { GaugeSeries } from './series.ts'

const circuitStates: readonly CircuitState[] = ['closed', 'open', 'half-open', 'isolated']
const backendStates: readonly ConnectionState[] = ['connected', 'disconnected', 'closed']

/**
 * How everything that is alive is, asked for whenever the metrics are read; what is gone is gone from them too. Of several things of one
 * name numbers are added up, but those of clusters and configurations: several Discoveries see the same instances, and versions make no
 * sum, so the largest counts.
 */
export function measureStates(context: MetricContext): void {
  const { series } = context
  const gauges: GaugeSeries[] = []
  let isFresh = false

  const takeCluster = measureClusters(gauge)
  const breakers = gauge('breaker_state', 'Circuit breakers that are in the state.', [
    ...['service', 'breaker', 'scope', 'state'],
    ...context.instanceName,
  ])
  const limitMax = gauge('concurrency_limit', 'Most work at once, as of now.', ['service', 'limit'])
  const limitActive = gauge('concurrency_active', 'Work under way below a limit.', ['service', 'limit'])
  const limitWaiting = gauge('concurrency_waiting', 'Work that waits at a limit.', ['service', 'limit'])
  const budgets = gauge('retry_budget_available', 'Further attempts that would be granted now.', ['service'])
  const connections = gauge('backend_state', '1 for the state that the connection to a backend is in.', ['backend', 'state'])
  const registrations = gauge('registrations', 'Registrations of this process, by state.', ['registry', 'service', 'state'])
  const takeConfig = measureConfigurations(gauge)
  const countLookups = createLookupCounts(series, collect)

  // prom-client reads all metrics in one go: the states are asked for once, by the first of them.
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
  // Reports may come from another version of a package: a bad one must not cost the whole page.
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
    }
  }
  function takeBreaker({ service, breaker, instanceId, state }: BreakerStateReport): void {
    const scope = instanceId === undefined ? 'service' : 'instance'
    for (const each of circuitStates) {
      breakers.add([service, breaker, scope, each, ...context.instanceValue(instanceId ?? '')], each === state ? 1 : 0)
    }
  }
}

type CreateGauge = (name: string, help: string, labelNames: readonly string[]) => GaugeSeries

function measureClusters(gauge: CreateGauge): (state: ClusterStateReport) => void {
  const instances = gauge('instances', 'Instances in the last known list, by their own health.', ['service', 'health'])
  const eligible = gauge('endpoints_eligible', 'Endpoints that may get traffic.', ['service'])
  const ejected = gauge('endpoints_ejected', 'Endpoints that a monitor took out.', ['service'])
  const out = gauge('endpoints_out', 'Endpoints that are out, by the first reason of each.', ['service', 'reason'])
  const held = gauge('endpoints_held', 'Endpoints that are kept although the source does not list them any more.', ['service'])
  const panic = gauge('cluster_panic', '1 while all endpoints are used because too few are well, else 0.', ['service'])
  const stale = gauge('discovery_stale_seconds', 'For how long the source of the list has been away, or 0.', ['service'])

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
  const versions = gauge('config_version', 'The version that counts: 1 at the start, one more with every change.', ['config'])
  const updated = gauge('config_last_update_timestamp_seconds', 'When the version was taken over, in Unix time.', ['config'])
  const staleSources = gauge('config_stale_sources', 'Sources that are away: what they had counts on.', ['config'])
  const refusedSources = gauge('config_refused_sources', 'Sources whose newest content was refused.', ['config'])
  const degraded = gauge('config_degraded_seconds', 'For how long a source has been away or refused, or 0.', ['config'])

  return ({ config, ...state }: ConfigStateReport) => {
    versions.raise([config], state.version)
    updated.raise([config], state.updatedAt / 1_000)
    staleSources.raise([config], state.staleSources.length)
    refusedSources.raise([config], state.refusedSources.length)
    degraded.raise([config], state.degradedForMs / 1_000)
  }
}

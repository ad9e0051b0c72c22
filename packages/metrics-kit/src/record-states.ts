import {
  type CircuitState,
  type ClusterStateReport,
  type ConfigStateReport,
  type ConnectionState,
  collectStates,
  type StateReport,
} from '@sd/core'
import { createLookupCounts } from './lookup-counts.ts'
import { recordGatewayStates } from './record-gateways.ts'
import type { RecorderContext } from './recorder-context.ts'
import type { GaugeSeries } from './series.ts'

const circuitStates: readonly CircuitState[] = ['closed', 'open', 'half-open', 'isolated']
const backendStates: readonly ConnectionState[] = ['connected', 'disconnected', 'closed']

type CreateGauge = (name: string) => GaugeSeries

/** Gauges of the state of all live components, collected whenever the metrics are read. Closed components disappear. */
export function recordStates({ series, onError, instanceValue }: RecorderContext): void {
  const gauges: GaugeSeries[] = []
  let isFresh = false

  const take = recordReports(gauge, instanceValue)
  const countLookups = createLookupCounts(series, refresh)

  // A sink reads all metrics in one go: the first of them collects the states for all.
  function refresh(): void {
    if (isFresh) return
    isFresh = true
    queueMicrotask(() => {
      isFresh = false
    })
    for (const each of gauges) each.clear()
    const states = collectStates()
    for (const state of states) guard(() => take(state))
    guard(() => countLookups(states.filter((state) => state.kind === 'cluster')))
  }
  function gauge(name: string): GaugeSeries {
    const made = series.gauge(name, refresh)
    gauges.push(made)
    return made
  }
  // A report can come from another version of a package. A malformed one must not break the whole page.
  function guard(step: () => void): void {
    try {
      step()
    } catch (error) {
      onError(error)
    }
  }
}

function recordReports(gauge: CreateGauge, instanceValue: RecorderContext['instanceValue']): (state: StateReport) => void {
  const takeCluster = recordClusters(gauge)
  const breakers = gauge('breaker.state')
  const limitMax = gauge('concurrency.limit')
  const limitActive = gauge('concurrency.active')
  const limitWaiting = gauge('concurrency.waiting')
  const budgets = gauge('retry_budget.available')
  const connections = gauge('backend.state')
  const registrations = gauge('registrations')
  const takeConfig = recordConfigurations(gauge)
  const takeGateway = recordGatewayStates(gauge)

  function takeBreaker({ service, breaker, instanceId, state }: Extract<StateReport, { readonly kind: 'breaker' }>): void {
    const scope = instanceId === undefined ? 'service' : 'instance'
    for (const each of circuitStates) {
      breakers.report([service, breaker, scope, each, ...instanceValue(instanceId ?? '')], each === state ? 1 : 0)
    }
  }
  return (state) => {
    switch (state.kind) {
      case 'backend':
        for (const each of backendStates) connections.report([state.backend, each], each === state.state ? 1 : 0)
        break
      case 'registration':
        registrations.report([state.registry, state.service, state.state], 1)
        break
      case 'cluster':
        takeCluster(state)
        break
      case 'breaker':
        takeBreaker(state)
        break
      case 'limit':
        limitMax.report([state.service, state.limit], state.max)
        limitActive.report([state.service, state.limit], state.active)
        limitWaiting.report([state.service, state.limit], state.waiting)
        break
      case 'retry-budget':
        budgets.report([state.service], state.available)
        break
      case 'config':
        takeConfig(state)
        break
      case 'gateway':
        takeGateway(state)
    }
  }
}

function recordClusters(gauge: CreateGauge): (state: ClusterStateReport) => void {
  const instances = gauge('instances')
  const eligible = gauge('endpoints.eligible')
  const ejected = gauge('endpoints.ejected')
  const out = gauge('endpoints.out')
  const held = gauge('endpoints.held')
  const panic = gauge('cluster.panic')
  const stale = gauge('discovery.stale')

  return ({ service, instances: counts, ...cluster }) => {
    for (const [health, count] of Object.entries(counts)) instances.report([service, health], count)
    eligible.report([service], cluster.eligible)
    ejected.report([service], cluster.ejected)
    for (const [reason, count] of Object.entries(cluster.outBy ?? {})) out.report([service, reason], count)
    held.report([service], cluster.held)
    panic.report([service], cluster.isPanic ? 1 : 0)
    stale.report([service], cluster.staleForMs / 1_000)
  }
}

function recordConfigurations(gauge: CreateGauge): (state: ConfigStateReport) => void {
  const versions = gauge('config.version')
  const updated = gauge('config.last_update.timestamp')
  const staleSources = gauge('config.stale_sources')
  const refusedSources = gauge('config.refused_sources')
  const degraded = gauge('config.degraded')

  return ({ config, ...state }) => {
    versions.report([config], state.version)
    updated.report([config], state.updatedAt / 1_000)
    staleSources.report([config], state.staleSources.length)
    refusedSources.report([config], state.refusedSources.length)
    degraded.report([config], state.degradedForMs / 1_000)
  }
}

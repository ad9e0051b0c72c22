import type { AttachedMonitor, Endpoint, EndpointCheck, MonitoredCluster, Semaphore } from '@sd/core'
import type { HealthCheck } from './health-check.ts'
import { startProbe } from './probe.ts'
import type { ProbeOptions } from './probe-options.ts'

/** How an endpoint is checked. */
export interface EndpointProbe {
  /** The check. */
  readonly check: HealthCheck
  /** When to check and how to judge results. */
  readonly settings: Required<ProbeOptions>
}

/** Options of {@link watchEndpoints}. */
export interface WatchEndpointsOptions<Probe extends EndpointProbe> {
  /** Returns how an endpoint is checked; `undefined` if it is not. Returns `before`, its previous result, if nothing changed. */
  readonly probeOf: (endpoint: Endpoint, before?: Probe) => Probe | undefined
  /** Limits the number of concurrent checks. */
  readonly places: Semaphore
  /** Whether an endpoint is used before its first status is known. */
  readonly newEndpoints: 'use' | 'eject'
  /** Time in which a restored endpoint regains its full weight, in milliseconds. */
  readonly rampMs: number
}

interface Watched<Probe> {
  readonly probe: Probe
  readonly stop: () => void
  state: EndpointCheck
}

/** Checks the endpoints of a cluster, ejects failing ones, and restores them when they are healthy again. */
export function watchEndpoints<Probe extends EndpointProbe>(
  cluster: MonitoredCluster,
  options: WatchEndpointsOptions<Probe>,
): AttachedMonitor {
  const { probeOf, places, newEndpoints, rampMs } = options
  const watched = new Map<Endpoint, Watched<Probe>>()

  function watch(endpoint: Endpoint, probe: Probe): void {
    const { check, settings } = probe
    const ejection = { reason: check.name }
    if (newEndpoints === 'eject') cluster.eject(endpoint, ejection)
    const stop = startProbe({
      check,
      target: () => endpoint.instance,
      settings,
      places,
      onResult({ run, status, hasChanged, since }) {
        one.state = { check: check.name, status, since, checkedAt: run.checkedAt, error: run.error }
        if (!hasChanged) return
        if (status === 'healthy') cluster.restore(endpoint, { rampMs })
        else cluster.eject(endpoint, ejection)
      },
    })
    const one: Watched<Probe> = { probe, stop, state: { check: check.name, status: 'unknown', since: Date.now() } }
    watched.set(endpoint, one)
  }

  function update(): void {
    const current = new Set(cluster.endpoints)
    for (const [endpoint, { probe, stop }] of watched) {
      if (current.has(endpoint) && probeOf(endpoint, probe) === probe) continue
      watched.delete(endpoint)
      stop()
      // The result of a check that no longer runs has no effect.
      if (current.has(endpoint)) cluster.restore(endpoint)
    }
    for (const endpoint of current) {
      const probe = watched.has(endpoint) ? undefined : probeOf(endpoint)
      if (probe) watch(endpoint, probe)
    }
  }

  update()
  return {
    update,
    explain: (endpoint) => watched.get(endpoint)?.state,
    close() {
      for (const { stop } of watched.values()) stop()
      watched.clear()
    },
  }
}

import { checkDuration, checkKnownKeys, checkName, checkOneOf, createSemaphore, type EndpointMonitor } from '@sd/core'
import { checkHealthCheck, type HealthCheck } from './health-check.ts'
import { type ProbeOptions, probeOptionKeys, resolveProbeOptions } from './probe-options.ts'
import { watchEndpoints } from './watched-endpoints.ts'

/** Options of {@link createHealthMonitor}. */
export interface HealthMonitorOptions extends ProbeOptions {
  /** The check for every endpoint. */
  readonly check: HealthCheck
  /** Name for logs and metrics; unique among the monitors of a Discovery. @default `health-` followed by the check's name */
  readonly name?: string
  /** Whether an endpoint is used before its first status is known, or only after its first success. @default 'use' */
  readonly newEndpoints?: 'use' | 'eject'
  /** Time in which a restored endpoint regains its full weight, in milliseconds; 0 restores it at once. @default 0 */
  readonly rampMs?: number
}

/**
 * Creates a monitor that checks every endpoint periodically, ejects failing ones, and restores them when they are healthy
 * again. One monitor serves any number of clusters; `maxConcurrent` applies to all of them together.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createHealthMonitor(options: HealthMonitorOptions): EndpointMonitor {
  checkKnownKeys('', options, ['check', 'name', 'newEndpoints', 'rampMs', ...probeOptionKeys])
  const check = checkHealthCheck('check', options.check)
  const name = checkName('name', options.name ?? `health-${check.name}`)
  const newEndpoints = checkOneOf('newEndpoints', options.newEndpoints ?? 'use', ['use', 'eject'])
  const rampMs = checkDuration('rampMs', options.rampMs ?? 0)
  const settings = resolveProbeOptions(options)
  const places = createSemaphore(settings.maxConcurrent)
  const probe = { check, settings }
  return {
    name,
    isActive: true,
    attach: (cluster) => watchEndpoints(cluster, { probeOf: () => probe, places, newEndpoints, rampMs }),
  }
}

import { checkDuration, checkKnownKeys, checkName, checkOneOf, createSemaphore, type EndpointMonitor } from '@sd/core'
import { checkHealthCheck, type HealthCheck } from './health-check.ts'
import { type ProbeOptions, probeOptionKeys, resolveProbeOptions } from './probe-options.ts'
import { watchEndpoints } from './watched-endpoints.ts'

/** Options of {@link createHealthMonitor}. */
export interface HealthMonitorOptions extends ProbeOptions {
  /** What every endpoint must pass. */
  readonly check: HealthCheck
  /** Name for logs and metrics; monitors of one Discovery have different ones. @default `health-` and the check's name */
  readonly name?: string
  /** Whether an endpoint is used before its first status is known, or only after its first success. @default 'use' */
  readonly newEndpoints?: 'use' | 'eject'
  /** Time in which a restored endpoint comes back to its full weight, in milliseconds; 0 gives it all of it at once. @default 0 */
  readonly rampMs?: number
}

/**
 * Makes a monitor that checks every endpoint on an interval, ejects those that fail, and restores them when they are well again. One
 * monitor serves any number of clusters; `maxConcurrent` holds for all of them together.
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

import {
  checkDuration,
  checkKnownKeys,
  checkName,
  checkObject,
  createSemaphore,
  type EndpointMonitor,
  type HealthCheckSpec,
  sameHealthCheck,
} from '@sd/core'
import { createGrpcCheck } from './grpc-check.ts'
import type { HealthCheck } from './health-check.ts'
import { createHttpCheck } from './http-check.ts'
import { type ProbeOptions, probeOptionKeys, resolveProbeOptions } from './probe-options.ts'
import { createTcpCheck } from './tcp-check.ts'
import { type EndpointProbe, watchEndpoints } from './watched-endpoints.ts'

/**
 * Options of {@link createDeclaredCheckMonitor}. `intervalMs` and `timeoutMs` are the defaults of instances that declare
 * none.
 */
export interface DeclaredCheckMonitorOptions extends ProbeOptions {
  /** Name for logs and metrics. @default 'health-declared' */
  readonly name?: string
  /**
   * Shortest accepted interval, in milliseconds. Every caller checks, so an instance must not be able to request checks
   * without pause.
   *
   * @default 1_000
   */
  readonly minIntervalMs?: number
  /** Time in which a restored endpoint regains its full weight, in milliseconds; 0 restores it at once. @default 0 */
  readonly rampMs?: number
}

interface DeclaredProbe extends EndpointProbe {
  readonly spec: HealthCheckSpec
}

/**
 * Creates a monitor that runs the checks that instances declare (`healthCheck`), each with its own type, path, interval and
 * timeout, and ejects failing endpoints. Endpoints without a declaration are not checked. `@sd/discovery` creates one if
 * needed: see its option `declaredChecks`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createDeclaredCheckMonitor(options: DeclaredCheckMonitorOptions = {}): EndpointMonitor {
  checkKnownKeys('', checkObject('options', options), ['name', 'minIntervalMs', 'rampMs', ...probeOptionKeys])
  const name = checkName('name', options.name ?? 'health-declared')
  const minIntervalMs = checkDuration('minIntervalMs', options.minIntervalMs ?? 1_000, 1)
  const rampMs = checkDuration('rampMs', options.rampMs ?? 0)
  const defaults = resolveProbeOptions(options)
  const places = createSemaphore(defaults.maxConcurrent)

  function probeOf(spec: HealthCheckSpec): DeclaredProbe {
    const intervalMs = Math.max(minIntervalMs, spec.intervalMs ?? defaults.intervalMs)
    const fastIntervalMs = Math.min(defaults.fastIntervalMs, intervalMs)
    const timeoutMs = spec.timeoutMs ?? Math.min(defaults.timeoutMs, intervalMs)
    return { spec, check: createCheck(spec), settings: { ...defaults, intervalMs, fastIntervalMs, timeoutMs } }
  }

  return {
    name,
    isActive: true,
    attach: (cluster) =>
      watchEndpoints(cluster, {
        probeOf({ instance: { healthCheck } }, before?: DeclaredProbe) {
          if (!healthCheck) return undefined
          return before && sameHealthCheck(before.spec, healthCheck) ? before : probeOf(healthCheck)
        },
        places,
        newEndpoints: 'use',
        rampMs,
      }),
  }
}

function createCheck({ type, path = '/' }: HealthCheckSpec): HealthCheck {
  switch (type) {
    case 'http':
      return createHttpCheck({ path })
    case 'tcp':
      return createTcpCheck()
    case 'grpc':
      return createGrpcCheck()
  }
}

import { checkDuration, checkFunction, checkInteger, checkNumber } from '@sd/core'

/** When checks run and how results are judged, for health monitors and reporters. */
export interface ProbeOptions {
  /** Time from the end of a check to the start of the next, in milliseconds. @default 10_000 (Consul, Kubernetes) */
  readonly intervalMs?: number
  /**
   * The interval while the status may change: before the first status, and after a result that contradicts it (HAProxy's
   * `fastinter`). The first check starts at a random time within it. @default 1_000, at most intervalMs
   */
  readonly fastIntervalMs?: number
  /** Timeout of one check, in milliseconds. @default 1_000 (Kubernetes) */
  readonly timeoutMs?: number
  /** Random variation, as a share of the interval, from 0 to 1. @default 0.1 */
  readonly jitter?: number
  /** Consecutive successes after which an unhealthy target is healthy again. @default 2 (HAProxy) */
  readonly rise?: number
  /** Consecutive failures after which a target is unhealthy. @default 3 (HAProxy) */
  readonly fall?: number
  /** Maximum number of concurrent checks; others wait. @default 64 */
  readonly maxConcurrent?: number
  /** Source of randomness in [0, 1) for jitter. @default Math.random */
  readonly random?: () => number
}

/** Names of the options. */
export const probeOptionKeys: readonly (keyof ProbeOptions)[] = [
  'intervalMs',
  'fastIntervalMs',
  'timeoutMs',
  'jitter',
  'rise',
  'fall',
  'maxConcurrent',
  'random',
]

/** Validates the options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveProbeOptions(options: ProbeOptions): Required<ProbeOptions> {
  const intervalMs = checkDuration('intervalMs', options.intervalMs ?? 10_000, 1)
  return {
    intervalMs,
    fastIntervalMs: checkDuration('fastIntervalMs', options.fastIntervalMs ?? Math.min(1_000, intervalMs), 1),
    timeoutMs: checkDuration('timeoutMs', options.timeoutMs ?? 1_000, 1),
    jitter: checkNumber('jitter', options.jitter ?? 0.1, { min: 0, max: 1 }),
    rise: checkInteger('rise', options.rise ?? 2, { min: 1, max: 1_000 }),
    fall: checkInteger('fall', options.fall ?? 3, { min: 1, max: 1_000 }),
    maxConcurrent: checkInteger('maxConcurrent', options.maxConcurrent ?? 64, { min: 1, max: 10_000 }),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

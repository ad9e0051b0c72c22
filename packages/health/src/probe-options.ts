import { checkDuration, checkFunction, checkInteger, checkNumber } from '@sd/core'

/** When checks run and what their results mean, for health monitors and reporters alike. */
export interface ProbeOptions {
  /** Time from the end of a check to the start of the next, in milliseconds. @default 10_000 (Consul, Kubernetes) */
  readonly intervalMs?: number
  /**
   * The same while the status is open: before the first, and after a result that contradicts it (HAProxy's `fastinter`). The first check
   * starts within this time, at random. @default 1_000, at most intervalMs
   */
  readonly fastIntervalMs?: number
  /** Limit of one check, in milliseconds. @default 1_000 (Kubernetes) */
  readonly timeoutMs?: number
  /** Share of the interval by which it is made shorter or longer at random, from 0 to 1. @default 0.1 */
  readonly jitter?: number
  /** Successes in a row after which what failed is healthy again. @default 2 (HAProxy) */
  readonly rise?: number
  /** Failures in a row after which it is unhealthy. @default 3 (HAProxy) */
  readonly fall?: number
  /** How many checks run at once; others wait for their turn. @default 64 */
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

/** Checks the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
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

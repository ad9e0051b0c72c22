import { checkDuration, checkFunction, checkInteger, checkKnownKeys, checkName, checkNumber, invalidError } from '@sd/core'

/** Options of `createAdaptiveLimit`. */
export interface AdaptiveLimitOptions {
  /** Name for logs, metrics and errors. @default 'adaptive-limit' */
  readonly name?: string
  /** Lower bound of the limit, which probes use too; from 1. @default 3 (Envoy) */
  readonly minLimit?: number
  /** Upper bound of the limit. @default 1_000 (Envoy) */
  readonly maxLimit?: number
  /** Limit after the first probe. @default 20 (Netflix), within minLimit and maxLimit */
  readonly initialLimit?: number
  /** Interval between computations of the limit, in milliseconds, from 1. @default 100 (Envoy) */
  readonly windowMs?: number
  /** Minimum latency samples in a window; a window with fewer is extended. From 1. @default 10 (Netflix) */
  readonly minWindowSamples?: number
  /** Percentile of the latencies that represents a window or probe, from 1 to 100. @default 50 (Envoy) */
  readonly percentile?: number
  /** Acceptable ratio of latency to the latency without load, from 1 to 10. @default 1.25 (Envoy's buffer of 25 %) */
  readonly tolerance?: number
  /** Weight of a new result in the limit, above 0 and up to 1. @default 0.2 (Netflix) */
  readonly smoothing?: number
  /**
   * Interval between measurements of the latency without load, in milliseconds, from 1; up to 15 % are added at random.
   *
   * @default 60_000 (Envoy)
   */
  readonly probeIntervalMs?: number
  /**
   * Latency samples that complete a probe; at least minWindowSamples.
   *
   * @default 100: with Envoy's 50, noise alone costs up to 20 % of goodput
   */
  readonly probeSamples?: number
  /** Longest duration of a probe, in milliseconds, from 1. @default 2_000 */
  readonly probeTimeoutMs?: number
  /**
   * The limit falls while the event loop's mean delay is above this, in milliseconds; 0 disables this.
   *
   * @default 70 (toobusy-js)
   */
  readonly maxEventLoopDelayMs?: number
  /** Maximum number of calls that wait for a place in `acquire` and `execute`; 0 disables the queue. @default 0 */
  readonly maxQueued?: number
  /**
   * Longest wait, in milliseconds, from 1. After a wait has timed out, new waits get a tenth of it until the queue has been
   * empty.
   *
   * @default 1_000
   */
  readonly queueTimeoutMs?: number
  /** Source of randomness in [0, 1) for jitter. @default Math.random */
  readonly random?: () => number
}

const optionKeys: readonly (keyof AdaptiveLimitOptions)[] = [
  'name',
  'minLimit',
  'maxLimit',
  'initialLimit',
  'windowMs',
  'minWindowSamples',
  'percentile',
  'tolerance',
  'smoothing',
  'probeIntervalMs',
  'probeSamples',
  'probeTimeoutMs',
  'maxEventLoopDelayMs',
  'maxQueued',
  'queueTimeoutMs',
  'random',
]

/** No process can hold more, so a larger number is a mistake. */
const largestCount = 1_000_000

/** Validates the options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveAdaptiveLimitOptions(options: AdaptiveLimitOptions): Required<AdaptiveLimitOptions> {
  checkKnownKeys('', options, optionKeys)
  const minLimit = checkInteger('minLimit', options.minLimit ?? 3, { min: 1, max: largestCount })
  const maxLimit = checkInteger('maxLimit', options.maxLimit ?? Math.max(1_000, minLimit), { min: minLimit, max: largestCount })
  const initialLimit = options.initialLimit ?? Math.min(maxLimit, Math.max(minLimit, 20))
  const minWindowSamples = checkInteger('minWindowSamples', options.minWindowSamples ?? 10, { min: 1, max: 1_000 })
  return {
    name: checkName('name', options.name ?? 'adaptive-limit'),
    minLimit,
    maxLimit,
    initialLimit: checkInteger('initialLimit', initialLimit, { min: minLimit, max: maxLimit }),
    windowMs: checkDuration('windowMs', options.windowMs ?? 100, 1),
    minWindowSamples,
    percentile: checkNumber('percentile', options.percentile ?? 50, { min: 1, max: 100 }),
    tolerance: checkNumber('tolerance', options.tolerance ?? 1.25, { min: 1, max: 10 }),
    smoothing: checkSmoothing(options.smoothing ?? 0.2),
    probeIntervalMs: checkDuration('probeIntervalMs', options.probeIntervalMs ?? 60_000, 1),
    probeSamples: checkInteger('probeSamples', options.probeSamples ?? Math.max(100, minWindowSamples), {
      min: minWindowSamples,
      max: 1_000,
    }),
    probeTimeoutMs: checkDuration('probeTimeoutMs', options.probeTimeoutMs ?? 2_000, 1),
    maxEventLoopDelayMs: checkDuration('maxEventLoopDelayMs', options.maxEventLoopDelayMs ?? 70),
    maxQueued: checkInteger('maxQueued', options.maxQueued ?? 0, { min: 0, max: largestCount }),
    queueTimeoutMs: checkDuration('queueTimeoutMs', options.queueTimeoutMs ?? 1_000, 1),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

function checkSmoothing(value: number): number {
  if (value > 0 && value <= 1) return value
  throw invalidError('smoothing', value, 'a number above 0 and up to 1')
}

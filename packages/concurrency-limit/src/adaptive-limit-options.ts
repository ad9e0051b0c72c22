import { checkDuration, checkFunction, checkInteger, checkKnownKeys, checkName, checkNumber, invalidError } from '@sd/core'

/** Options of `createAdaptiveLimit`. */
export interface AdaptiveLimitOptions {
  /** Name for logs, metrics and errors. @default 'adaptive-limit' */
  readonly name?: string
  /** The limit never falls below this, and probes run with it; from 1. @default 3 (Envoy) */
  readonly minLimit?: number
  /** The limit never grows above this. @default 1_000 (Envoy) */
  readonly maxLimit?: number
  /** The limit after the first probe, before anything else is known. @default 20 (Netflix), within minLimit and maxLimit */
  readonly initialLimit?: number
  /** How often the limit is computed, in milliseconds, from 1. @default 100 (Envoy) */
  readonly windowMs?: number
  /** A window with fewer latencies goes on, from 1. @default 10 (Netflix) */
  readonly minWindowSamples?: number
  /** Which latency stands for a window or probe: a percentile from 1 to 100. @default 50 (Envoy) */
  readonly percentile?: number
  /** How many times the latency without load is still fine, from 1 to 10. @default 1.25 (Envoy's buffer of 25 %) */
  readonly tolerance?: number
  /** Weight of a window's result in the limit, above 0 and up to 1. @default 0.2 (Netflix) */
  readonly smoothing?: number
  /** How often the latency without load is measured, in milliseconds, from 1; up to 15 % are added at random. @default 60_000 (Envoy) */
  readonly probeIntervalMs?: number
  /** How many latencies end a probe; at least minWindowSamples. @default 100: with Envoy's 50, chance alone costs up to 20 % of goodput */
  readonly probeSamples?: number
  /** How long a probe takes at most, in milliseconds, from 1. @default 2_000 */
  readonly probeTimeoutMs?: number
  /** The limit falls while the event loop's mean delay is above this, in milliseconds; 0 turns that off. @default 70 (toobusy-js) */
  readonly maxEventLoopDelayMs?: number
  /** How many may wait for a place in `acquire` and `execute`; 0 for no waiting. @default 0 */
  readonly maxQueued?: number
  /** How long one waits at most, in milliseconds, from 1; a tenth of it after somebody waited in vain, until the queue has been empty. @default 1_000 */
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

/** More than any process can hold: a larger number is a mistake. */
const largestCount = 1_000_000

/** Checks the options and puts in the defaults. @throws SdError `SD_INVALID` that names the option */
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

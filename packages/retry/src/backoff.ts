import {
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkOneOf,
  invalidError,
  MAX_DURATION_MS,
} from '@sd/core'

/** Input of a custom backoff. */
export interface BackoffStep {
  /** Number of the attempt that failed, from 1. */
  readonly attempt: number
  /** The delay before that attempt, in milliseconds; `undefined` for the first attempt. */
  readonly previousDelayMs: number | undefined
}

/** The same delay each time. */
export interface FixedBackoff {
  /** Kind of backoff. */
  readonly kind: 'fixed'
  /** Delay in milliseconds. With 0, `@sd/client` tries another endpoint at once, and gives up when all have been tried. */
  readonly delayMs: number
  /** Random variation, as a share of the delay, from 0 to 1. @default 0.2 */
  readonly jitter?: number
}

/** Delays that grow by a constant step. */
export interface LinearBackoff {
  /** Kind of backoff. */
  readonly kind: 'linear'
  /** First delay, and the increment per attempt, in milliseconds. */
  readonly stepMs: number
  /** Largest delay before jitter, in milliseconds. @default 5_000 */
  readonly maxMs?: number
  /** Random variation, as a share of the delay, from 0 to 1. @default 0.2 */
  readonly jitter?: number
}

/** Delays that grow by a constant factor. Each is at least 1 ms. */
export interface ExponentialBackoff {
  /** Kind of backoff. */
  readonly kind: 'exponential'
  /** Upper bound of the first delay (`full`) or smallest delay (`decorrelated`), in milliseconds. @default 50 */
  readonly baseMs?: number
  /** Largest delay, in milliseconds. @default 5_000 */
  readonly maxMs?: number
  /** Growth per attempt, from 1 to 100. @default 2, or 3 when decorrelated */
  readonly factor?: number
  /**
   * `full` draws from 0 to `baseMs × factor^n`; `decorrelated` draws from `baseMs` to `factor` times the previous delay.
   * @default 'full'
   */
  readonly jitter?: 'full' | 'decorrelated'
}

/** How the delays between attempts grow. A custom function returns milliseconds and gets no jitter. */
export type RetryBackoff = FixedBackoff | LinearBackoff | ExponentialBackoff | ((step: BackoffStep) => number)

/** Returns the delay before the next attempt, in whole milliseconds. */
export type DelayFunction = (step: BackoffStep) => number

/**
 * Creates the function that draws delays.
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @throws SdError `SD_INVALID` that names the field
 */
export function createDelayFunction(backoff: RetryBackoff, random: () => number): DelayFunction {
  if (typeof backoff === 'function') return (step) => checkDelay(backoff(step))
  checkObject('backoff', backoff)
  const kind = checkOneOf('backoff.kind', backoff.kind, ['fixed', 'linear', 'exponential'])
  checkKnownKeys('backoff', backoff, keys[kind])
  if (backoff.kind === 'exponential') return createExponential(backoff, random)
  const jitter = checkNumber('backoff.jitter', backoff.jitter ?? 0.2, { min: 0, max: 1 })
  const vary = (delay: number): number => Math.min(MAX_DURATION_MS, Math.round(delay * (1 + jitter * (2 * random() - 1))))
  if (backoff.kind === 'fixed') {
    const delayMs = checkDuration('backoff.delayMs', backoff.delayMs)
    return () => vary(delayMs)
  }
  const stepMs = checkDuration('backoff.stepMs', backoff.stepMs, 1)
  const maxMs = checkDuration('backoff.maxMs', backoff.maxMs ?? 5_000, 1)
  return ({ attempt }) => vary(Math.min(maxMs, stepMs * attempt))
}

const keys = {
  fixed: ['kind', 'delayMs', 'jitter'],
  linear: ['kind', 'stepMs', 'maxMs', 'jitter'],
  exponential: ['kind', 'baseMs', 'maxMs', 'factor', 'jitter'],
} as const

function createExponential(backoff: ExponentialBackoff, random: () => number): DelayFunction {
  const jitter = checkOneOf('backoff.jitter', backoff.jitter ?? 'full', ['full', 'decorrelated'])
  const baseMs = checkDuration('backoff.baseMs', backoff.baseMs ?? 50, 1)
  const maxMs = checkDuration('backoff.maxMs', backoff.maxMs ?? 5_000, 1)
  const defaultFactor = jitter === 'full' ? 2 : 3
  const factor = checkNumber('backoff.factor', backoff.factor ?? defaultFactor, { min: 1, max: 100 })
  if (jitter === 'full') {
    return ({ attempt }) => Math.max(1, Math.round(random() * Math.min(maxMs, baseMs * factor ** (attempt - 1))))
  }
  return ({ previousDelayMs = baseMs }) => {
    const ceiling = Math.max(baseMs, previousDelayMs * factor)
    return Math.min(maxMs, Math.round(baseMs + random() * (ceiling - baseMs)))
  }
}

/** Rounds and limits a custom delay, because a timer accepts neither fractions nor values out of range. */
function checkDelay(delay: number): number {
  if (typeof delay !== 'number' || Number.isNaN(delay) || delay < 0)
    throw invalidError('backoff', delay, 'a function that returns a delay in milliseconds')
  return Math.min(MAX_DURATION_MS, Math.round(delay))
}

/** Validates a source of randomness. */
export function checkRandom(random: (() => number) | undefined): () => number {
  return random === undefined ? Math.random : checkFunction('random', random)
}

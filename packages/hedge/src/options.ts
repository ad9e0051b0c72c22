import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  createRetryBudget,
  guardListener,
  type HedgedEnd,
  type RetryBudget,
  SdError,
} from '@sd/core'

/** Options of `createHedge`. */
export interface HedgeOptions<T = unknown> {
  /** Wait before each further attempt, in milliseconds. With `percentile`, used until there are enough samples. @default 100 */
  readonly delayMs?: number
  /**
   * Waits as long as this share of recent first attempts took, from 0.01 to 0.999, such as 0.95.
   *
   * @default none: always `delayMs`
   */
  readonly percentile?: number
  /** Latency samples required before `percentile` applies; from 1 to 1,000,000. @default 20 */
  readonly minSamples?: number
  /** Latencies are kept for one to two times this, in milliseconds. @default 30_000 */
  readonly windowMs?: number
  /** Maximum number of attempts, including the first; from 1 to 5. @default 2 */
  readonly maxAttempts?: number
  /** Budget for further attempts. Share one with the retries of the same service. @default a new `createRetryBudget()` */
  readonly budget?: RetryBudget
  /**
   * Whether each execution credits the budget. Set it to false inside a retry that shares the budget and credits it itself.
   *
   * @default true
   */
  readonly countsCalls?: boolean
  /**
   * Whether the end of an attempt is the final result. Otherwise the next attempt starts at once.
   * @default true for every value, and for an `SdError` that is not `retryable`
   */
  readonly isFinal?: (ended: HedgedEnd<T>) => boolean
  /**
   * Delay that the peer requests before the next attempt, in milliseconds; less than 0 or more than 30,000 means no other
   * attempt. Called after ends that are not final.
   *
   * @default no delay
   */
  readonly serverDelayMs?: (ended: HedgedEnd<T>) => number | undefined
  /** Receives every value that is not the result, so that its body can be cancelled. @default none */
  readonly discard?: (value: T) => void
  /** Called when a further attempt starts, with its number and the milliseconds since the first attempt started. @default none */
  readonly onHedge?: (event: { readonly attempt: number; readonly afterMs: number }) => void
}

/** Options, validated and complete. */
export interface ResolvedHedgeOptions<T> extends Omit<Required<HedgeOptions<T>>, 'percentile'> {
  /** As in {@link HedgeOptions}. */
  readonly percentile: number | undefined
}

const keys = [
  'delayMs',
  'percentile',
  'minSamples',
  'windowMs',
  'maxAttempts',
  'budget',
  'countsCalls',
  'isFinal',
  'serverDelayMs',
  'discard',
  'onHedge',
]

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveHedgeOptions<T>(options: HedgeOptions<T>): ResolvedHedgeOptions<T> {
  checkKnownKeys('', options, keys)
  const { percentile, budget = createRetryBudget(), isFinal = isResponse } = options
  if (percentile !== undefined) checkNumber('percentile', percentile, { min: 0.01, max: 0.999 })
  checkFunction('budget.deposit', budget?.deposit)
  checkFunction('budget.tryWithdraw', budget.tryWithdraw)
  return {
    delayMs: checkDuration('delayMs', options.delayMs ?? 100),
    percentile,
    minSamples: checkInteger('minSamples', options.minSamples ?? 20, { min: 1, max: 1_000_000 }),
    windowMs: checkDuration('windowMs', options.windowMs ?? 30_000, 1),
    maxAttempts: checkInteger('maxAttempts', options.maxAttempts ?? 2, { min: 1, max: 5 }),
    budget,
    countsCalls: checkBoolean('countsCalls', options.countsCalls ?? true),
    isFinal: checkFunction('isFinal', isFinal),
    serverDelayMs: checkFunction('serverDelayMs', options.serverDelayMs ?? (() => undefined)),
    discard: guardListener('discard', checkFunction('discard', options.discard ?? (() => {}))),
    onHedge: guardListener('onHedge', checkFunction('onHedge', options.onHedge ?? (() => {}))),
  }
}

function isResponse(ended: HedgedEnd<unknown>): boolean {
  return !('error' in ended) || (ended.error instanceof SdError && !ended.error.retryable)
}

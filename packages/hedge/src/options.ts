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
  /** Wait before each further attempt, in milliseconds. With `percentile`, until enough latencies are known. @default 100 */
  readonly delayMs?: number
  /** Wait as long as this share of the recent first attempts took, from 0.01 to 0.999, such as 0.95. @default none: always `delayMs` */
  readonly percentile?: number
  /** Latencies that must be known before `percentile` counts; from 1 to 1,000,000. @default 20 */
  readonly minSamples?: number
  /** How long latencies are remembered: for one to two of these, in milliseconds. @default 30_000 */
  readonly windowMs?: number
  /** Attempts in all, the first included; from 1 to 5. @default 2 */
  readonly maxAttempts?: number
  /** What further attempts are taken from; share one with the retries of the same service. @default `createRetryBudget()` of its own */
  readonly budget?: RetryBudget
  /** Whether each execution earns for the budget. Set false inside of something that shares the budget and earns itself, such as a retry. @default true */
  readonly countsCalls?: boolean
  /**
   * Whether an end is the answer. Another end starts the next attempt at once.
   * @default every value is, and an `SdError` that is not `retryable`
   */
  readonly isFinal?: (ended: HedgedEnd<T>) => boolean
  /** How long the peer asks to wait before the next attempt, in milliseconds; less than 0 or more than 30,000 for no other attempt. Asked after ends that are not final. @default at once */
  readonly serverDelayMs?: (ended: HedgedEnd<T>) => number | undefined
  /** Given every value that came and is not the answer, so that its body can be cancelled. @default none */
  readonly discard?: (value: T) => void
  /** Told of every further attempt as it starts: its number, and how long after the first, in milliseconds. @default none */
  readonly onHedge?: (event: { readonly attempt: number; readonly afterMs: number }) => void
}

/** Options, checked and complete. */
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

/** Checks options and fills in what is missing. @throws SdError `SD_INVALID` that names the option */
export function resolveHedgeOptions<T>(options: HedgeOptions<T>): ResolvedHedgeOptions<T> {
  checkKnownKeys('', options, keys)
  const { percentile, budget = createRetryBudget(), isFinal = isAnswer } = options
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

function isAnswer(ended: HedgedEnd<unknown>): boolean {
  return !('error' in ended) || (ended.error instanceof SdError && !ended.error.retryable)
}

import { checkDuration, checkInteger, checkKnownKeys, checkNumber } from '../validate.ts'

/**
 * Limits the load that retries and hedges add to an overloaded peer. Everything that repeats calls to a service shares
 * one budget. Synchronous; never waits.
 */
export interface RetryBudget {
  /**
   * Credits the budget for one call. The code that makes the call does this once; retries and hedges earn nothing.
   *
   * @param now the time by `performance.now()`, if known
   */
  deposit(now?: number): void
  /** Takes one additional attempt if available. @returns whether the attempt may be made */
  tryWithdraw(): boolean
  /** Number of additional attempts available now, for metrics. */
  readonly available: number
}

/** Options of {@link createRetryBudget}. */
export interface RetryBudgetOptions {
  /** Additional attempts that each call earns, from 0 to 10: 0.2 is one for five calls. @default 0.2 */
  readonly ratio?: number
  /**
   * Additional attempts per second that need not be earned, so that services with few calls can retry; from 0 to 10,000.
   * @default 10
   */
  readonly minPerSecond?: number
  /** Decay time of earned attempts, in milliseconds: the time in which they shrink to 1/e. @default 10_000 */
  readonly windowMs?: number
}

/** A sum of many ratios may be slightly less than a whole attempt. */
const rounding = 1e-9

/**
 * Creates a budget with Finagle's defaults: a fifth of the calls, and 10 per second. Earned attempts decay, so that a
 * long healthy period can't pay for a retry storm: at a steady rate at most `ratio × calls in windowMs` are saved. The
 * minimum is exact: at most `minPerSecond` in any second. So in any whole number of seconds since its creation,
 * additional attempts are at most `ratio × calls + minPerSecond × seconds`.
 *
 * @see https://twitter.github.io/finagle/guide/Clients.html#retries
 * @throws SdError `SD_INVALID` that names the option
 */
export function createRetryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  checkKnownKeys('', options, ['ratio', 'minPerSecond', 'windowMs'])
  const ratio = checkNumber('ratio', options.ratio ?? 0.2, { min: 0, max: 10 })
  const minPerSecond = checkInteger('minPerSecond', options.minPerSecond ?? 10, { min: 0, max: 10_000 })
  const windowMs = checkDuration('windowMs', options.windowMs ?? 10_000, 1)
  /** When the last unearned attempts were taken; the oldest is at index `oldest`. */
  const takenAt = new Float64Array(minPerSecond).fill(Number.NEGATIVE_INFINITY)
  let oldest = 0
  let earned = 0
  let earnedAt = performance.now()

  function decay(now: number): void {
    if (now <= earnedAt) return
    earned *= Math.exp((earnedAt - now) / windowMs)
    earnedAt = now
  }
  function isFree(index: number, now: number): boolean {
    return (takenAt[index] ?? Number.POSITIVE_INFINITY) <= now - 1000
  }

  return {
    deposit(now = performance.now()) {
      decay(now)
      earned += ratio
    },
    tryWithdraw() {
      const now = performance.now()
      decay(now)
      if (earned >= 1 - rounding) {
        earned = Math.max(0, earned - 1)
        return true
      }
      if (!isFree(oldest, now)) return false
      takenAt[oldest] = now
      oldest = (oldest + 1) % minPerSecond
      return true
    },
    get available() {
      const now = performance.now()
      decay(now)
      return Math.floor(earned + rounding) + takenAt.reduce((free, _, index) => free + Number(isFree(index, now)), 0)
    },
  }
}

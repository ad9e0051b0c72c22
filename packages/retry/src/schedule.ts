import { checkDuration, checkFunction, checkInteger, MAX_DURATION_MS, type RetryBudget } from '@sd/core'
import { checkRandom, createDelayFunction, type RetryBackoff } from './backoff.ts'

/** Limits shared by the client's policy and the standalone function. */
export interface RetryLimits {
  /** Maximum number of attempts, including the first; from 1 to 100. @default 3 */
  readonly maxAttempts?: number
  /** No attempt starts later than this after the start of the call, in milliseconds. @default no limit */
  readonly maxElapsedMs?: number
  /** How the delays grow. @default `{ kind: 'exponential', baseMs: 50, maxMs: 5_000, jitter: 'full' }` */
  readonly backoff?: RetryBackoff
  /** Longest delay that a server may request, in milliseconds. After a longer one there is no retry. @default 30_000 */
  readonly maxServerDelayMs?: number
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** Progress of a call. */
export interface RetryProgress {
  /** Number of the attempt that ended, from 1. */
  readonly attempt: number
  /** Start of the call, by `performance.now()`. */
  readonly startedAt: number
  /** Deadline of the call, by `performance.now()`. */
  readonly deadlineAt: number
  /** The delay before the attempt that ended, in milliseconds. */
  readonly previousDelayMs: number | undefined
  /** The delay that the server requests, see `readServerDelay`. */
  readonly serverDelayMs: number | undefined
}

/**
 * Returns the delay before the next attempt, or `undefined` if there must be none. Withdraws from the budget only for an
 * attempt that is due.
 */
export type RetrySchedule = (progress: RetryProgress) => number | undefined

/** Names of the options in {@link RetryLimits}, and of the budget. */
export const limitKeys = ['maxAttempts', 'maxElapsedMs', 'backoff', 'budget', 'maxServerDelayMs', 'random'] as const

/** Creates the schedule. @throws SdError `SD_INVALID` that names the option */
export function createSchedule(limits: RetryLimits, budget: RetryBudget | undefined): RetrySchedule {
  const maxAttempts = checkInteger('maxAttempts', limits.maxAttempts ?? 3, { min: 1, max: 100 })
  const maxElapsedMs =
    limits.maxElapsedMs === undefined ? Number.POSITIVE_INFINITY : checkDuration('maxElapsedMs', limits.maxElapsedMs, 1)
  const maxServerDelayMs = checkDuration('maxServerDelayMs', limits.maxServerDelayMs ?? 30_000)
  const delayOf = createDelayFunction(limits.backoff ?? { kind: 'exponential' }, checkRandom(limits.random))
  return ({ attempt, startedAt, deadlineAt, previousDelayMs, serverDelayMs = 0 }) => {
    if (attempt >= maxAttempts || serverDelayMs < 0 || serverDelayMs > maxServerDelayMs) return undefined
    // The server's delay is only the minimum: all its clients received the same one and must not return together.
    const delay = Math.min(MAX_DURATION_MS, serverDelayMs + delayOf({ attempt, previousDelayMs }))
    const dueAt = performance.now() + delay
    if (dueAt > startedAt + maxElapsedMs || dueAt >= deadlineAt) return undefined
    return budget === undefined || budget.tryWithdraw() ? delay : undefined
  }
}

/** Returns `budget` if it is a retry budget; otherwise throws `SD_INVALID`. */
export function checkBudget(budget: RetryBudget): RetryBudget {
  checkFunction('budget.deposit', budget?.deposit)
  checkFunction('budget.tryWithdraw', budget.tryWithdraw)
  return budget
}

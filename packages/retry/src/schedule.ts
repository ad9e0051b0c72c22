import { checkDuration, checkFunction, checkInteger, MAX_DURATION_MS, type RetryBudget } from '@sd/core'
import { checkRandom, createDelayFunction, type RetryBackoff } from './backoff.ts'

/** When and how often: what the policy for a client and the standalone function have in common. */
export interface RetryLimits {
  /** Attempts in all, the first included; from 1 to 100. @default 3 */
  readonly maxAttempts?: number
  /** No attempt starts later than this after the start of the call, in milliseconds. @default no limit */
  readonly maxElapsedMs?: number
  /** How the delays grow. @default `{ kind: 'exponential', baseMs: 50, maxMs: 5_000, jitter: 'full' }` */
  readonly backoff?: RetryBackoff
  /** Longest wait that a server may ask for, in milliseconds; one that asks for more is not tried again. @default 30_000 */
  readonly maxServerDelayMs?: number
  /** Source of randomness in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** How far a call is. */
export interface RetryProgress {
  /** Number of the attempt that ended, from 1. */
  readonly attempt: number
  /** When the call started, by `performance.now()`. */
  readonly startedAt: number
  /** When it must have ended, likewise. */
  readonly deadlineAt: number
  /** The delay before the attempt that ended. */
  readonly previousDelayMs: number | undefined
  /** What the server asks for, see `readServerDelay`. */
  readonly serverDelayMs: number | undefined
}

/** Says when the next attempt is due, or `undefined` if there must be none. Only what may be attempted is taken from the budget. */
export type RetrySchedule = (progress: RetryProgress) => number | undefined

/** Names of the options in {@link RetryLimits} and of the budget. */
export const limitKeys = ['maxAttempts', 'maxElapsedMs', 'backoff', 'budget', 'maxServerDelayMs', 'random'] as const

/** Makes the schedule. @throws SdError `SD_INVALID` that names the option */
export function createSchedule(limits: RetryLimits, budget: RetryBudget | undefined): RetrySchedule {
  const maxAttempts = checkInteger('maxAttempts', limits.maxAttempts ?? 3, { min: 1, max: 100 })
  const maxElapsedMs =
    limits.maxElapsedMs === undefined ? Number.POSITIVE_INFINITY : checkDuration('maxElapsedMs', limits.maxElapsedMs, 1)
  const maxServerDelayMs = checkDuration('maxServerDelayMs', limits.maxServerDelayMs ?? 30_000)
  const delayOf = createDelayFunction(limits.backoff ?? { kind: 'exponential' }, checkRandom(limits.random))
  return ({ attempt, startedAt, deadlineAt, previousDelayMs, serverDelayMs = 0 }) => {
    if (attempt >= maxAttempts || serverDelayMs < 0 || serverDelayMs > maxServerDelayMs) return undefined
    // On top of what the server asks for: all its clients were told the same, and must not return together.
    const delay = Math.min(MAX_DURATION_MS, serverDelayMs + delayOf({ attempt, previousDelayMs }))
    const dueAt = performance.now() + delay
    if (dueAt > startedAt + maxElapsedMs || dueAt >= deadlineAt) return undefined
    return budget === undefined || budget.tryWithdraw() ? delay : undefined
  }
}

/** Returns `budget` if it can be used as one, else throws `SD_INVALID`. */
export function checkBudget(budget: RetryBudget): RetryBudget {
  checkFunction('budget.deposit', budget?.deposit)
  checkFunction('budget.tryWithdraw', budget.tryWithdraw)
  return budget
}

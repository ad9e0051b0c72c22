import type { CallFrame } from '../call/call-frame.ts'
import { repickPolicy } from './repick.ts'

/** The limit of one attempt. */
export interface AttemptTime {
  /** Until the head of the response, in milliseconds. */
  readonly limitMs: number
  /** Whether the attempt is given up only if another endpoint is available. */
  readonly onlyForAnother: boolean
}

/** Attempts that a limit applies to. */
interface Repeatable {
  readonly call: CallFrame
  readonly mayRepeat: boolean
}

/** Shortest automatic limit, in milliseconds: most responses arrive within a second. */
const shortestMs = 1_000

/** Larger than the rounding error of a sum of times, in milliseconds. */
const roundingMs = 0.001

/** The limit of the next attempt, or `undefined` for none. */
export function findAttemptTime(attempts: Repeatable): AttemptTime | undefined {
  const { call } = attempts
  const { settings, policies } = call.entry
  const setting = call.init.attemptTimeoutMs ?? settings.attemptTimeoutMs
  const limitMs = typeof setting === 'number' ? setting : policies.attemptLimit?.currentMs(attempts)
  if (limitMs === undefined) return findAutomaticTime(attempts)
  return limitMs > 0 ? { limitMs, onlyForAnother: false } : undefined
}

/**
 * Half of the call's time limit, so that another instance has the same time, but at least a second. It does not apply
 * if the call has set a longer limit than its service has: the caller expects to wait.
 */
function findAutomaticTime(attempts: Repeatable): AttemptTime | undefined {
  const { call } = attempts
  const limitMs = automaticLimitMs(call)
  if (limitMs === undefined) return undefined
  // The first attempt needs no clock: if it begins so late that its limit is after the deadline, the deadline ends it.
  const now = call.attempts > 1 ? performance.now() : call.startedAt
  if (now + limitMs >= call.deadlineAt || !attempts.mayRepeat) return undefined
  return { limitMs, onlyForAnother: true }
}

/** The value of `auto` for the first attempt of a call, in milliseconds; `undefined` for no limit, whatever the attempt. */
function automaticLimitMs({ entry, deadlineAt, startedAt }: CallFrame): number | undefined {
  const { timeoutMs } = entry.settings
  const totalMs = deadlineAt - startedAt
  // Adding and subtracting a time does not restore the exact value.
  if (timeoutMs === 0 || totalMs > timeoutMs + roundingMs) return undefined
  return Math.max(totalMs / 2, shortestMs)
}

/**
 * Whether the retry budget allows giving up an attempt for another one. A retry policy with the budget withdraws from
 * it itself.
 */
export function mayAfford({ entry }: CallFrame): boolean {
  const { retry, budget } = entry.policies
  return retry === repickPolicy ? budget.tryWithdraw() : budget.available >= 1
}

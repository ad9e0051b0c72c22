import type { CallFrame } from '../call/call-frame.ts'
import { repickPolicy } from './repick.ts'

/** The limit of one attempt. */
export interface AttemptTime {
  /** Until the head of the response, in milliseconds. */
  readonly limitMs: number
  /** Whether the attempt is given up only if there is somewhere else to go. */
  readonly onlyForAnother: boolean
}

/** Whose attempts are limited. */
interface Repeatable {
  readonly call: CallFrame
  readonly mayRepeat: boolean
}

/** No automatic limit is shorter, in milliseconds: most responses come within a second. */
const shortestMs = 1_000

/** More than sums of times are off by, in milliseconds. */
const roundingMs = 0.001

/** The limit of an attempt that begins, or `undefined` for none. */
export function findAttemptTime(attempts: Repeatable): AttemptTime | undefined {
  const { call } = attempts
  const { settings, policies } = call.entry
  const setting = call.init.attemptTimeoutMs ?? settings.attemptTimeoutMs
  const limitMs = typeof setting === 'number' ? setting : policies.attemptLimit?.currentMs(attempts)
  if (limitMs === undefined) return findAutomaticTime(attempts)
  return limitMs > 0 ? { limitMs, onlyForAnother: false } : undefined
}

/**
 * Half of the call's time limit, so that another instance has as much, but at least a second. Not where the call has set itself a longer limit than
 * its service has: it expects to wait.
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

/** What `auto` means for the first attempt of a call, in milliseconds; `undefined` if that is no limit, whatever the attempt is. */
function automaticLimitMs({ entry, deadlineAt, startedAt }: CallFrame): number | undefined {
  const { timeoutMs } = entry.settings
  const totalMs = deadlineAt - startedAt
  // A time that was added to another, and taken off again, is not the same to the last bit.
  if (timeoutMs === 0 || totalMs > timeoutMs + roundingMs) return undefined
  return Math.max(totalMs / 2, shortestMs)
}

/** Whether the retry budget allows to give up an attempt for another one. A retry policy that has the budget takes from it by itself. */
export function mayAfford({ entry }: CallFrame): boolean {
  const { retry, budget } = entry.policies
  return retry === repickPolicy ? budget.tryWithdraw() : budget.available >= 1
}

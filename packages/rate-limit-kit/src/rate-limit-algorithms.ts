import type { RateLimitDecision } from '@sd/core'
import type { RateLimitRule } from './rate-limit-options.ts'

/** State of a key's token bucket. */
export interface BucketState {
  /** Units in use at that time. */
  readonly level: number
  /** A time in milliseconds, by any consistent clock. */
  readonly at: number
}

/** State of a key's sliding window: a flat list with index and units of each non-empty segment, the oldest first. */
export type WindowState = readonly number[]

/** Result of a call: the decision and the new state. */
export interface RateLimitOutcome<State> {
  /** Decision about the call. */
  readonly decision: RateLimitDecision
  /** State of the key after the call. */
  readonly state: State
}

/** A sum of many fractions may differ slightly from a whole unit. */
const rounding = 1e-9

/**
 * Number of segments of a sliding window. A unit becomes available when its whole segment has left the window: up to a
 * twentieth of the window late.
 */
export const WINDOW_SEGMENTS = 20

/**
 * The generic cell rate algorithm, as a continuous-state leaky bucket: the units in use drain at the rate `limit /
 * windowMs` and may reach `burst`. It is equivalent to a token bucket that starts full.
 *
 * @see ITU-T I.371, annex A
 */
export function takeFromBucket(
  rule: RateLimitRule,
  before: BucketState | undefined,
  cost: number,
  at: number,
): RateLimitOutcome<BucketState> {
  // A clock that was set back must not block a key for longer than a full bucket.
  const drained = before ? (Math.max(0, at - before.at) * rule.limit) / rule.windowMs : 0
  const level = Math.max(0, (before?.level ?? 0) - drained)
  const allowed = level + cost <= rule.burst + rounding
  const after = allowed ? level + cost : level
  return { decision: describeBucket(rule, allowed, after, cost), state: { level: after, at } }
}

/** Creates the decision for a bucket. @param level units in use after the call */
export function describeBucket(rule: RateLimitRule, allowed: boolean, level: number, cost: number): RateLimitDecision {
  const unitMs = rule.windowMs / rule.limit
  return {
    allowed,
    limit: rule.burst,
    remaining: Math.max(0, Math.floor(rule.burst - level + rounding)),
    windowMs: rule.burst * unitMs,
    resetMs: Math.ceil(level * unitMs),
    retryAfterMs: allowed ? 0 : Math.max(1, Math.ceil((level + cost - rule.burst) * unitMs)),
  }
}

/**
 * A sliding window with counts per segment. A segment is included until it has left the window completely, so no window
 * ever has more than `limit` units.
 */
export function takeFromWindow(
  rule: RateLimitRule,
  before: WindowState | undefined,
  cost: number,
  at: number,
): RateLimitOutcome<WindowState> {
  const current = Math.floor((at * WINDOW_SEGMENTS) / rule.windowMs)
  const state: number[] = []
  let used = 0
  function add(segment: number, count: number): void {
    used += count
    if (state.at(-2) === segment) state[state.length - 1] = (state.at(-1) as number) + count
    else if (count > 0) state.push(segment, count)
  }
  for (let index = 0; before && index < before.length; index += 2) {
    // After a clock was set back, segments in the future are treated as current.
    const segment = Math.min(before[index] as number, current)
    if (segment >= current - WINDOW_SEGMENTS) add(segment, before[index + 1] as number)
  }
  const allowed = used + cost <= rule.limit
  if (allowed) add(current, cost)
  return { decision: describeWindow(rule, allowed, state, cost, at), state }
}

/**
 * Creates the decision for a window. @param state the key's state after the call @param at the time, by the clock of the
 * state
 */
export function describeWindow(
  rule: RateLimitRule,
  allowed: boolean,
  state: WindowState,
  cost: number,
  at: number,
): RateLimitDecision {
  const freeInMs = (segment: number): number =>
    Math.max(1, Math.ceil(((segment + WINDOW_SEGMENTS + 1) * rule.windowMs) / WINDOW_SEGMENTS - at))
  let used = 0
  for (let index = 1; index < state.length; index += 2) used += state[index] as number
  const last = state.at(-2)
  let retryAfterMs = 0
  let excess = allowed ? 0 : used + cost - rule.limit
  for (let index = 0; excess > 0 && index < state.length; index += 2) {
    excess -= state[index + 1] as number
    retryAfterMs = freeInMs(state[index] as number)
  }
  return {
    allowed,
    limit: rule.limit,
    remaining: rule.limit - used,
    windowMs: rule.windowMs,
    resetMs: last === undefined ? 0 : freeInMs(last),
    retryAfterMs,
  }
}

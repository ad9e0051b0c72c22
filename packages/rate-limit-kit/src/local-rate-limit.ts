import type { RateLimitDecision } from '@sd/core'
import {
  type BucketState,
  type RateLimitOutcome,
  takeFromBucket,
  takeFromWindow,
  type WindowState,
} from './rate-limit-algorithms.ts'
import type { RateLimitRule } from './rate-limit-options.ts'

/** A rate limit in the memory of this process. */
export interface LocalRateLimit {
  /** How many keys are remembered. */
  readonly size: number
  /** Takes units of a key's limit, or none if they are not there. @param cost a whole number up to the rule's `burst` */
  take(key: string, cost: number): RateLimitDecision
}

interface Entry<State> {
  readonly state: State
  /** When nothing is in use any more, so that the key may be forgotten. */
  readonly freeAt: number
}

/**
 * Keeps a rule in memory, for at most `maxKeys` keys. A key of which nothing is in use is forgotten as others are used; when all are in use, the one that
 * was asked for least recently is forgotten, and starts anew.
 */
export function createLocalRateLimit(rule: RateLimitRule, maxKeys: number): LocalRateLimit {
  return rule.algorithm === 'gcra'
    ? keep<BucketState>(maxKeys, (before, cost, now) => takeFromBucket(rule, before, cost, now))
    : keep<WindowState>(maxKeys, (before, cost, now) => takeFromWindow(rule, before, cost, now))
}

function keep<State>(
  maxKeys: number,
  step: (before: State | undefined, cost: number, now: number) => RateLimitOutcome<State>,
): LocalRateLimit {
  /** In the order of use. */
  const entries = new Map<string, Entry<State>>()

  /** Two per call: more than a call can add, so that they run out without a timer. */
  function forgetFree(now: number): void {
    let looked = 0
    for (const [key, { freeAt }] of entries) {
      if (looked++ === 2) return
      if (freeAt <= now) entries.delete(key)
    }
  }
  return {
    get size() {
      return entries.size
    },
    take(key, cost) {
      const now = performance.now()
      const before = entries.get(key)
      const { decision, state } = step(before?.state, cost, now)
      forgetFree(now)
      entries.delete(key)
      if (decision.resetMs === 0) return decision
      if (entries.size >= maxKeys) entries.delete(entries.keys().next().value as string)
      entries.set(key, { state, freeAt: now + decision.resetMs })
      return decision
    },
  }
}

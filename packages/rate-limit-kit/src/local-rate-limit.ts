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
  /** Number of remembered keys. */
  readonly size: number
  /** Takes units from a key's limit, or none if there are too few. @param cost an integer from 0 to the rule's `burst` */
  take(key: string, cost: number): RateLimitDecision
}

interface Entry<State> {
  readonly state: State
  /** When the limit is fully available again, so that the key can be dropped. */
  readonly freeAt: number
}

/**
 * Creates a limit in memory for at most `maxKeys` keys. Keys whose limit is fully available are dropped as others are
 * used. If all are in use, the least recently used key is dropped and starts with a full limit again.
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
  /** In order of use. */
  const entries = new Map<string, Entry<State>>()

  /** Checks two keys per call, more than a call can add. So unused keys disappear without a timer. */
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

import {
  type CircuitBreaker,
  type CircuitBreakerOptions,
  type ConcurrencyLimit,
  checkFunction,
  checkKnownKeys,
  type HedgePolicy,
  type RetryBudget,
  type RetryPolicy,
} from '@sd/core'
import { createMeasuredLimit } from '../attempt/measured-limit.ts'
import type { ServiceSettings } from './settings.ts'

/** The functions that make policies, of the packages that you have installed. What is left out is not used. */
export interface ResilientParts {
  /** Such as `createOpossumBreaker` or `createCockatielBreaker`. Used for the service and for each instance. */
  readonly breaker?: (options: CircuitBreakerOptions) => CircuitBreaker
  /** Such as `createRetryPolicy` of `@sd/retry`. */
  readonly retry?: (options: { readonly budget: RetryBudget }) => RetryPolicy
  /** Such as `createHedgePolicy` of `@sd/hedge`. */
  readonly hedge?: (options: {
    readonly budget: RetryBudget
    readonly delayMs: number
    readonly percentile: number
  }) => HedgePolicy
  /** Such as `createAdaptiveLimit` of `@sd/concurrency-limit`. */
  readonly concurrencyLimit?: (options: {
    readonly name: string
    readonly minLimit: number
    readonly maxQueued: number
    readonly queueTimeoutMs: number
    readonly maxEventLoopDelayMs: number
  }) => ConcurrencyLimit
}

/** The numbers of {@link resilient}, as plain data. */
export const preset = {
  /**
   * One instance is soon known to be broken. A trial is a call that may fail, so one failure of two is enough to stay open, and a long outage costs
   * two trials in 10 s.
   */
  instanceBreaker: { window: { kind: 'count', size: 20 }, minimumCalls: 10, trials: 2 },
  /**
   * The service as a whole is only given up when most of it has failed for some time, with retries. It is asked again after 0.1 s, then after a
   * tenth of the outage so far, 5 s at most; all traffic returns in a tenth of the outage, 10 s at most.
   */
  breaker: { window: { kind: 'time', durationMs: 10_000 }, minimumCalls: 50, maxOpenMs: 5_000, trials: 5, recoveryMs: 10_000 },
  /** Of the attempts 5 % are hedged; half a second is slow for most services while nothing is known. */
  hedge: { delayMs: 500, percentile: 0.95 },
  /**
   * So many calls are let through at least, also while the limit measures: else many would wait at the start. The queue takes what comes at once after this
   * process, or all instances, stood still for seconds, at 1,000 calls and more a second; that this process is late lowers nothing. So the limit makes no failures
   * of its own. Once somebody has waited in vain the service is overloaded, and newcomers wait for 100 ms until the queue has been empty.
   */
  concurrencyLimit: { minLimit: 50, maxQueued: 10_000, queueTimeoutMs: 1_000, maxEventLoopDelayMs: 0 },
} as const

/**
 * Settings for services that matter, with numbers that suit most: spread them into the client's options or into one service's, and
 * override what you like.
 *
 * - Attempts: until the head of the response five times the 99th percentile of their kind, at least 500 ms and at most half of `timeoutMs`, also
 *   for POST: an instance that hangs is noticed soon. A request that was sent and may not be repeated ends with `SD_TIMEOUT`.
 * - Instances: half of the last 20 attempts failed, from 10 on: 0.1 s out, then 2 trials, and longer as the outage lasts, up to 10 s.
 * - Service: half of the calls of the last 10 s failed, from 50 on: 0.1 s out, then 5 trials, and longer as the outage lasts, up to 5 s; all traffic
 *   is let through again after a tenth of the outage, 10 s at most.
 * - Retries: the defaults of the policy, 3 attempts with jittered backoff, from the service's budget.
 * - Hedges: one more attempt when a call takes longer than 95 % of the others, 500 ms until that is known; from the same budget.
 * - Concurrency: the defaults of the limit, but never fewer than 50 calls, also while it measures, and up to 10,000 more wait for a second, or 100 ms while the
 *   service is overloaded: a burst after a stall is served and not refused. One instance holds at most twice
 *   an even share of its places, so one that hangs does not use it up.
 *
 * Keep what it returns in a constant: another call makes other functions, and with them new policies where settings change at run time.
 *
 * @throws SdError `SD_INVALID` that names the part
 */
export function resilient(parts: ResilientParts): ServiceSettings {
  checkKnownKeys('', parts, ['breaker', 'retry', 'hedge', 'concurrencyLimit'])
  for (const [name, part] of Object.entries(parts)) checkFunction(name, part)
  const { breaker, retry, hedge, concurrencyLimit } = parts
  return {
    attemptTimeoutMs: () => createMeasuredLimit(),
    ...(concurrencyLimit && { concurrencyLimit: ({ name }) => concurrencyLimit({ name, ...preset.concurrencyLimit }) }),
    ...(breaker && {
      breaker: ({ name }) => breaker({ name, ...preset.breaker }),
      instanceBreaker: ({ name }) => breaker({ name, ...preset.instanceBreaker }),
    }),
    ...(retry && { retry: ({ budget }) => retry({ budget }) }),
    ...(hedge && { hedge: ({ budget }) => hedge({ budget, ...preset.hedge }) }),
  }
}

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

/** Factories of the packages that you have installed. Policies without a factory are not used. */
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
   * A broken instance is detected soon. A trial is a real call that may fail, so one failure of two keeps the breaker
   * open, and a long outage costs two trials in 10 s.
   */
  instanceBreaker: { window: { kind: 'count', size: 20 }, minimumCalls: 10, trials: 2 },
  /**
   * The service as a whole is given up only when most of its calls have failed for some time, after retries. The first
   * trial follows after 0.1 s, the next ones after a tenth of the outage so far, at most 5 s. All traffic returns
   * within a tenth of the outage, at most 10 s.
   */
  breaker: { window: { kind: 'time', durationMs: 10_000 }, minimumCalls: 50, maxOpenMs: 5_000, trials: 5, recoveryMs: 10_000 },
  /** 5 % of the attempts are hedged. Until the 95th percentile is known, half a second is slow for most services. */
  hedge: { delayMs: 500, percentile: 0.95 },
  /**
   * `minLimit` calls are always admitted, also while the limit is still measuring; otherwise many calls would queue at
   * the start. The queue holds the burst after this process, or all instances, stalled for seconds, at 1,000 calls per
   * second and more. Lag of this process's event loop does not lower the limit, so the limit causes no failures of its
   * own. Once a call has waited in vain the service is overloaded, and new calls wait for 100 ms until the queue has
   * been empty.
   */
  concurrencyLimit: { minLimit: 50, maxQueued: 10_000, queueTimeoutMs: 1_000, maxEventLoopDelayMs: 0 },
} as const

/**
 * Settings for important services, with numbers that suit most. Spread them into the options of the client or of one
 * service, and override what you need.
 *
 * - Attempts: until the head of the response, five times the 99th percentile of their kind, at least 500 ms and at most
 *   half of `timeoutMs`, also for POST: a hanging instance is noticed soon. A request that was sent and may not be
 *   repeated ends with `SD_TIMEOUT`.
 * - Instances: the breaker opens when half of the last 20 attempts failed, from 10 on. It stays open for 0.1 s, then
 *   allows 2 trials, and stays open longer as the outage lasts, up to 10 s.
 * - Service: the breaker opens when half of the calls of the last 10 s failed, from 50 on. It stays open for 0.1 s,
 *   then allows 5 trials, and stays open longer as the outage lasts, up to 5 s. All traffic is admitted again after a
 *   tenth of the outage, at most 10 s.
 * - Retries: the defaults of the policy, 3 attempts with jittered backoff, within the service's budget.
 * - Hedges: one more attempt when a call takes longer than 95 % of the others, 500 ms until that is known; from the
 *   same budget.
 * - Concurrency: the defaults of the limit, but at least 50 calls, also while it measures. Up to 10,000 more calls wait
 *   for a second, or 100 ms while the service is overloaded: a burst after a stall is served and not rejected. One
 *   instance holds at most twice an even share of the places, so that a hanging instance does not use them up.
 *
 * Keep the result in a constant: another call returns other functions, and thereby new policies when settings change at
 * run time.
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

import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import type { PolicyScope, ServiceSettings } from '@sd/client'
import type { RetryPolicy } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createRetryPolicy } from '@sd/retry'
import { breakers, type ResilienceOptions } from './options.ts'

/** Time in which traffic returns to a recovered instance, in beats. */
export const recoveryBeats = 3

/** Settings of a service, one for each part of the story. For real services use `resilient()` of `@sd/client`; these times are short. */
export interface Policies {
  /** Retries, and a breaker for each instance. */
  readonly instanceBreakers: ServiceSettings
  /** Unbounded retries. */
  readonly unboundedRetries: ServiceSettings
  /** The same retries, with a budget. */
  readonly budgetedRetries: ServiceSettings
  /** The same retries, a breaker for the service, and a fallback. */
  readonly serviceBreaker: ServiceSettings
  /** Policies against a slow instance. */
  readonly roundRobin: ServiceSettings
  readonly hedged: ServiceSettings
  readonly p2c: ServiceSettings
}

/** Creates the settings. Times are in beats, so that a short run shows as much as a long one. */
export function createPolicies({ breaker }: ResilienceOptions, beatMs: number): Policies {
  const createBreaker = breakers[breaker]
  const backoff = { kind: 'exponential', baseMs: 20 } as const
  const retry = ({ budget }: PolicyScope): RetryPolicy => createRetryPolicy({ budget, backoff })
  const recoveryMs = recoveryBeats * beatMs
  const roundRobin = createRoundRobinBalancer()
  return {
    instanceBreakers: {
      retry,
      instanceBreaker: ({ name }) =>
        createBreaker({
          name,
          window: { kind: 'count', size: 10 },
          minimumCalls: 5,
          openMs: beatMs,
          trials: 3,
          recoveryMs,
        }),
    },
    unboundedRetries: { retry, retryBudget: { ratio: 10 } },
    budgetedRetries: { retry, retryBudget: { ratio: 0.2, minPerSecond: 10 } },
    serviceBreaker: {
      retry,
      breaker: ({ name }) =>
        createBreaker({
          name,
          window: { kind: 'time', durationMs: 2 * beatMs },
          minimumCalls: 20,
          openMs: 2 * beatMs,
          recoveryMs,
        }),
      fallback: { kind: 'response', response: { json: { servedBy: 'fallback' } } },
    },
    roundRobin: { balancer: roundRobin },
    hedged: {
      balancer: roundRobin,
      hedge: ({ budget }) => createHedgePolicy({ budget, delayMs: 40 }),
      // One of five is slow, so a fifth of the calls needs a hedge, which would use up the default budget.
      retryBudget: { ratio: 0.5 },
    },
    p2c: { balancer: createP2cBalancer() },
  }
}

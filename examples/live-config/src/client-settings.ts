import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type ClientSettings, createSettingsReader } from '@sd/client'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import type { ClientConfig, OverridesConfig } from './schema.ts'

/** Turns configuration into the client's settings. */
export interface ClientSettingsMapper {
  /** What is made of the same data as before is the same again: a breaker stays open while something else is changed. */
  toClientSettings(config: ClientConfig): ClientSettings
  /** Closes what was made. */
  close(): Promise<void>
}

/** Makes a mapper, over the settings document of `@sd/client`: this program has names of its own for a part of it. */
export function createClientSettingsMapper(): ClientSettingsMapper {
  const reader = createSettingsReader({
    balancers: {
      'round-robin': createRoundRobinBalancer,
      'weighted-round-robin': createWeightedRoundRobinBalancer,
      p2c: createP2cBalancer,
    },
    breaker: createOpossumBreaker,
    retry: createRetryPolicy,
    rateLimiter: createMemoryRateLimiter,
  })
  return {
    toClientSettings({ token, services, ...all }) {
      const document = {
        ...toDocument(all),
        headers: { authorization: `Bearer ${token}` },
        services: Object.fromEntries(Object.entries(services).map(([service, own]) => [service, toDocument(own)])),
      }
      return reader.read(document).client
    },
    close: reader.close,
  }
}

function toDocument({ balancer, timeoutMs, retry = {}, breaker = {}, rateLimit }: OverridesConfig): object {
  const { budgetRatio, backoffMs, maxAttempts } = retry
  const { windowMs, ...thresholds } = breaker
  return {
    balancer,
    timeoutMs,
    retryBudget: budgetRatio === undefined ? undefined : { ratio: budgetRatio },
    retry: dropUndefined({
      maxAttempts,
      backoff: backoffMs === undefined ? undefined : { kind: 'exponential', baseMs: backoffMs },
    }),
    breaker: dropUndefined({
      ...thresholds,
      window: windowMs === undefined ? undefined : { kind: 'time', durationMs: windowMs },
    }),
    rateLimit,
  }
}

/** What a service leaves out is as for all. */
function dropUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

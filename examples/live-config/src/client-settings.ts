import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type ClientSettings, createSettingsReader } from '@sd/client'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import type { ClientConfig, OverridesConfig } from './schema.ts'

/** Converts configuration to client settings. */
export interface ClientSettingsMapper {
  /** Reuses objects created from unchanged data, so that a breaker stays open while other settings change. */
  toClientSettings(config: ClientConfig): ClientSettings
  /** Closes the created objects. */
  close(): Promise<void>
}

/** Creates a mapper to the settings document of `@sd/client`, for which this program has partly different names. */
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

/** Settings that a service omits are those of all services. */
function dropUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

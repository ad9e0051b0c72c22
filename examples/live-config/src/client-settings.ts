import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import type { ClientSettings, ServiceSettings } from '@sd/client'
import type { Balancer } from '@sd/core'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import type { BalancerName, ClientConfig, OverridesConfig, SettingsConfig } from './schema.ts'

const balancers: Readonly<Record<BalancerName, () => Balancer>> = {
  'round-robin': createRoundRobinBalancer,
  'weighted-round-robin': createWeightedRoundRobinBalancer,
  p2c: createP2cBalancer,
}

/** Gives what was made of the same settings before, else makes it. */
type Keep = <Settings, Made>(kind: string, settings: Settings, make: (settings: Settings) => Made) => Made

/**
 * Makes the function that turns configuration into the client's settings.
 *
 * A client keeps a policy, with its state, as long as its setting is the very same function or object. So what is made of settings is
 * remembered by their JSON, from one call to the next: a breaker stays open while something else is changed, and starts anew only when its own
 * settings do. What the latest configuration doesn't use is forgotten.
 */
export function createClientSettingsMapper(): (config: ClientConfig) => ClientSettings {
  let kept: ReadonlyMap<string, unknown> = new Map()

  return function toClientSettings({ token, services, ...all }) {
    const used = new Map<string, unknown>()
    const keep: Keep = (kind, settings, make) => {
      const id = `${kind} ${JSON.stringify(settings)}`
      const made = (used.get(id) ?? kept.get(id) ?? make(settings)) as ReturnType<typeof make>
      used.set(id, made)
      return made
    }
    const result: ClientSettings = {
      ...toServiceSettings(all, keep),
      headers: { authorization: `Bearer ${token}` },
      services: Object.fromEntries(
        Object.entries(services).map(([service, own]) => [service, toServiceSettings(withDefaults(all, own), keep)]),
      ),
    }
    kept = used
    return result
  }
}

function toServiceSettings({ balancer, timeoutMs, retry, breaker, rateLimit }: SettingsConfig, keep: Keep): ServiceSettings {
  const { budgetRatio, ...attempts } = retry
  return {
    timeoutMs,
    balancer: keep('balancer', balancer, (name) => balancers[name]()),
    retryBudget: keep('retryBudget', budgetRatio, (ratio) => ({ ratio })),
    retry: keep(
      'retry',
      attempts,
      ({ maxAttempts, backoffMs }) =>
        ({ budget }) =>
          createRetryPolicy({ budget, maxAttempts, backoff: { kind: 'exponential', baseMs: backoffMs } }),
    ),
    breaker: keep(
      'breaker',
      breaker,
      ({ failureRate, minimumCalls, windowMs, openMs }) =>
        ({ name }) =>
          createOpossumBreaker({ name, failureRate, minimumCalls, openMs, window: { kind: 'time', durationMs: windowMs } }),
    ),
    // One limiter for all services with these settings: each is counted under its own name.
    rateLimit:
      rateLimit === null ? false : keep('rateLimit', rateLimit, (limit) => ({ limiter: createMemoryRateLimiter(limit) })),
  }
}

function withDefaults(all: SettingsConfig, own: OverridesConfig): SettingsConfig {
  // Not by spreading, which is typed as if an optional member could put `undefined` over a value.
  return Object.assign({}, all, own, {
    retry: Object.assign({}, all.retry, own.retry),
    breaker: Object.assign({}, all.breaker, own.breaker),
  })
}

import {
  type CircuitBreaker,
  type Cluster,
  type ConcurrencyLimit,
  createRetryBudget,
  type HedgePolicy,
  type RetryBudget,
  type RetryPolicy,
  type StateReport,
} from '@sd/core'
import { createFallback, type Fallback } from './fallback.ts'
import { createInstanceBreakers, type InstanceBreakers } from './instance-breakers.ts'
import type { CallRateLimit } from './rate-limit-setting.ts'
import type { PolicyScope, ResolvedSettings } from './settings.ts'

/** The policies of one service, as its settings say. */
export interface ServicePolicies {
  readonly fallback: Fallback | undefined
  readonly rateLimit: CallRateLimit | undefined
  readonly concurrencyLimit: ConcurrencyLimit | undefined
  readonly breaker: CircuitBreaker | undefined
  readonly retry: RetryPolicy | undefined
  readonly hedge: HedgePolicy | undefined
  /** The budget, if any policy takes from it. */
  readonly budget: RetryBudget | undefined
  readonly instanceBreakers: InstanceBreakers | undefined
}

/** A service's policies and what they were made of, so that a change of settings leaves the others as they are. */
export interface MadePolicies {
  readonly settings: ResolvedSettings
  readonly budget: RetryBudget
  readonly policies: ServicePolicies
}

/** Makes the policies of a service. Those whose setting is the same as before are kept, with their state. */
export function makePolicies(cluster: Cluster, settings: ResolvedSettings, before?: MadePolicies): MadePolicies {
  const { service } = cluster
  const sameBudget = before?.settings.retryBudget === settings.retryBudget
  const budget = before && sameBudget ? before.budget : createRetryBudget(settings.retryBudget)
  const shared = {
    deposit: () => undefined,
    tryWithdraw: () => budget.tryWithdraw(),
    get available() {
      return budget.available
    },
  }
  const scope: PolicyScope = { name: service, service, budget: shared }

  /** The policy as before if its setting is, else as `make` makes it. */
  function keep<Key extends keyof ServicePolicies & keyof ResolvedSettings>(
    key: Key,
    make: (setting: Exclude<ResolvedSettings[Key], false>) => ServicePolicies[Key],
  ): ServicePolicies[Key] | undefined {
    const setting = settings[key]
    const takesBudget = key === 'retry' || key === 'hedge'
    if (before && before.settings[key] === setting && (sameBudget || !takesBudget)) return before.policies[key]
    return setting === false ? undefined : make(setting as Exclude<ResolvedSettings[Key], false>)
  }

  const { instanceBreaker, retry, hedge } = settings
  const keepsInstances = before && before.settings.instanceBreaker === instanceBreaker
  const policies: ServicePolicies = {
    fallback: keep('fallback', createFallback),
    rateLimit: settings.rateLimit || undefined,
    concurrencyLimit: keep('concurrencyLimit', (make) => make(scope)),
    breaker: keep('breaker', (make) => make(scope)),
    retry: keep('retry', (policy) => (typeof policy === 'function' ? policy(scope) : policy)),
    hedge: keep('hedge', (make) => make(scope)),
    budget: typeof retry === 'function' || hedge ? budget : undefined,
    instanceBreakers: keepsInstances
      ? before.policies.instanceBreakers
      : instanceBreaker
        ? createInstanceBreakers(cluster, (instance) =>
            instanceBreaker({ ...scope, name: `${service}/${instance.id}`, instance }),
          )
        : undefined,
  }
  return { settings, budget, policies }
}

/** Closes what is not used any more. */
export function closePolicies(policies: ServicePolicies, next?: ServicePolicies): void {
  if (policies.concurrencyLimit !== next?.concurrencyLimit) policies.concurrencyLimit?.close()
  if (policies.instanceBreakers !== next?.instanceBreakers) policies.instanceBreakers?.close()
}

/** How the policies of a service are now. */
export function* reportPolicies(service: string, policies: ServicePolicies): Iterable<StateReport> {
  const { breaker, concurrencyLimit: limit, budget, instanceBreakers } = policies
  if (breaker) yield { kind: 'breaker', breaker: breaker.name, service, state: breaker.state }
  if (limit) yield { kind: 'limit', limit: limit.name, service, ...limit.load }
  if (budget) yield { kind: 'retry-budget', service, available: budget.available }
  if (instanceBreakers) yield* instanceBreakers.report()
}

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
import type { AttemptLimit } from '../attempt/attempt-limit.ts'
import { repickPolicy } from '../attempt/repick.ts'
import type { PolicyScope, ResolvedSettings } from '../settings/settings.ts'
import { createFallback, type Fallback } from './fallback.ts'
import { createInstanceBreakers, type InstanceBreakers } from './instance-breakers.ts'
import type { CallRateLimit } from './rate-limit-setting.ts'
import { reportBreaker } from './report-breaker.ts'

/** The policies of one service, created from its settings. */
export interface ServicePolicies {
  readonly fallback: Fallback | undefined
  readonly rateLimit: CallRateLimit | undefined
  /** The rate limit of each instance. */
  readonly instanceRateLimit: CallRateLimit | undefined
  readonly concurrencyLimit: ConcurrencyLimit | undefined
  readonly breaker: CircuitBreaker | undefined
  readonly retry: RetryPolicy | undefined
  readonly hedge: HedgePolicy | undefined
  /** Budget for retries, hedges and attempts that are given up. */
  readonly budget: RetryBudget
  readonly instanceBreakers: InstanceBreakers | undefined
  /** The limit of attempts, if it follows the measured times. */
  readonly attemptLimit: AttemptLimit | undefined
}

/** Policies and the settings that they were created from, so that a change of settings keeps unchanged policies. */
export interface PolicySet {
  readonly settings: ResolvedSettings
  readonly budget: RetryBudget
  readonly policies: ServicePolicies
}

/** Input for creating policies. */
export interface PoliciesInit {
  /** The service's endpoints. */
  readonly cluster: Cluster
  /** Settings of the service, or of its operation. */
  readonly settings: ResolvedSettings
  /** The previous policies. A policy whose setting is unchanged is kept, with its state. */
  readonly before?: PolicySet | undefined
  /** The operation, and the policies of its service: an operation shares those that it does not set itself. */
  readonly operation?: { readonly name: string; readonly service: PolicySet } | undefined
}

/** Creates the policies of a service, or of one of its operations. */
export function makePolicies({ cluster, settings, before, operation }: PoliciesInit): PolicySet {
  const { service } = cluster
  const shared = operation?.service
  const sameBudget = before !== undefined && before.settings.retryBudget === settings.retryBudget
  const budget = shared?.budget ?? (sameBudget ? before.budget : createRetryBudget(settings.retryBudget))
  const name = operation ? `${service} ${operation.name}` : service
  const scope: PolicyScope = { name, service, budget: withoutDeposits(budget) }

  /** The service's policy, or the previous one if the setting is unchanged, or a new one from `make`. */
  function keep<Key extends keyof ServicePolicies & keyof ResolvedSettings>(
    key: Key,
    make: (setting: Exclude<ResolvedSettings[Key], false>) => ServicePolicies[Key],
  ): ServicePolicies[Key] | undefined {
    const setting = settings[key]
    if (shared && shared.settings[key] === setting) return shared.policies[key]
    const takesBudget = key === 'retry' || key === 'hedge'
    if (before && before.settings[key] === setting && (before.budget === budget || !takesBudget)) return before.policies[key]
    return setting === false ? undefined : make(setting as Exclude<ResolvedSettings[Key], false>)
  }

  const policies: ServicePolicies = {
    fallback: keep('fallback', createFallback),
    rateLimit: keep('rateLimit', (setting) => (setting.scope === 'instance' ? undefined : { key: () => name, ...setting })),
    instanceRateLimit: settings.rateLimit && settings.rateLimit.scope === 'instance' ? settings.rateLimit : undefined,
    concurrencyLimit: keep('concurrencyLimit', (make) => make(scope)),
    breaker: keep('breaker', (make) => make(scope)),
    retry: keep('retry', (policy) => (typeof policy === 'function' ? policy(scope) : policy)),
    hedge: keep('hedge', (make) => make(scope)),
    budget,
    instanceBreakers: keepInstanceBreakers({ cluster, settings, before, operation }, scope),
    attemptLimit: keepAttemptLimit({ cluster, settings, before, operation }, scope),
  }
  return { settings, budget, policies }
}

/** The budget as policies see it: the client itself credits it, once per call. */
function withoutDeposits(budget: RetryBudget): RetryBudget {
  return {
    deposit: () => undefined,
    tryWithdraw: () => budget.tryWithdraw(),
    get available() {
      return budget.available
    },
  }
}

function keepInstanceBreakers(
  { cluster, settings, before, operation }: PoliciesInit,
  scope: PolicyScope,
): InstanceBreakers | undefined {
  const { instanceBreaker } = settings
  if (!instanceBreaker) return undefined
  if (operation) return operation.service.policies.instanceBreakers
  if (before && before.settings.instanceBreaker === instanceBreaker) return before.policies.instanceBreakers
  return createInstanceBreakers(cluster, (instance) =>
    instanceBreaker({ ...scope, name: `${cluster.service}/${instance.id}`, instance }),
  )
}

function keepAttemptLimit({ settings, before, operation }: PoliciesInit, scope: PolicyScope): AttemptLimit | undefined {
  const { attemptTimeoutMs } = settings
  const same = [operation?.service, before].find((other) => other?.settings.attemptTimeoutMs === attemptTimeoutMs)
  if (same) return same.policies.attemptLimit
  return typeof attemptTimeoutMs === 'function' ? attemptTimeoutMs(scope) : undefined
}

/** Closes the policies of some sets that are not in the other sets. */
export function closePolicies(sets: Iterable<ServicePolicies>, others: Iterable<ServicePolicies> = []): void {
  const kept = new Set([...others].flatMap(closable))
  for (const policy of new Set([...sets].flatMap(closable))) if (!kept.has(policy)) policy.close()
}

function closable({ concurrencyLimit, instanceBreakers }: ServicePolicies): readonly { close(): void }[] {
  return [concurrencyLimit, instanceBreakers].filter((policy) => policy !== undefined)
}

/** State of the policies of a service, or of those that its operation does not share. */
export function* reportPolicies(service: string, policies: ServicePolicies, shared?: ServicePolicies): Iterable<StateReport> {
  const { breaker, concurrencyLimit: limit, budget, instanceBreakers } = policies
  if (breaker && breaker !== shared?.breaker) yield reportBreaker(service, breaker)
  if (limit && limit !== shared?.concurrencyLimit) yield { kind: 'limit', limit: limit.name, service, ...limit.load }
  if (shared) return
  if (policies.hedge || (policies.retry && policies.retry !== repickPolicy))
    yield { kind: 'retry-budget', service, available: budget.available }
  if (instanceBreakers) yield* instanceBreakers.report()
}

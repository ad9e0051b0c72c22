import {
  type Balancer,
  type CircuitBreaker,
  type ConcurrencyLimit,
  checkBoolean,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  createRetryBudget,
  type HedgePolicy,
  invalidError,
  type RetryBudget,
  type RetryBudgetOptions,
  type RetryPolicy,
  SdError,
  type ServiceInstance,
} from '@sd/core'
import { type AttemptLimit, checkAttemptLimit } from '../attempt/attempt-limit.ts'
import { repickPolicy } from '../attempt/repick.ts'
import { readHeaders } from '../message/request-check.ts'
import { checkFallback } from '../policies/fallback.ts'
import type { CallFallback } from '../policies/fallback-setting.ts'
import { type CallRateLimit, checkRateLimitSetting } from '../policies/rate-limit-setting.ts'
import { maxOperations, readOperation } from '../services/operation-matcher.ts'

/** For which service a policy is made. */
export interface PolicyScope {
  /** Name for the policy: the service's; for an instance's policy `<service>/<instance id>`. */
  readonly name: string
  /** Name of the service. */
  readonly service: string
  /** The service's retry budget, which retries and hedges share. The client itself earns for it, once per call: `deposit` does nothing. */
  readonly budget: RetryBudget
}

/** For which instance a policy is made. */
export interface InstanceScope extends PolicyScope {
  /** The instance. */
  readonly instance: ServiceInstance
}

/**
 * Settings that every service may have of its own. Policies that keep state are given as functions that make one, so that each service has its
 * own; `false` is for none. They are asked in the order in which they stand here.
 */
export interface ServiceSettings {
  /**
   * Time limit of a call in milliseconds, from its start until its body has been read; 0 for none. The remaining time is sent along in
   * `x-request-timeout-ms`.
   *
   * @default 10_000
   */
  readonly timeoutMs?: number
  /**
   * Time limit of each attempt in milliseconds, until the head of its response; 0 for none. It ends with `SD_TIMEOUT`, so that an instance that
   * hangs leaves time for another one. A function makes a limit that follows what it measures. `auto` is half of the call's time limit and at
   * least 1,000 ms, for requests that may be repeated, while there is another instance and the retry budget allows it; not for calls that set
   * themselves a longer `timeoutMs` than the service has.
   *
   * @default 'auto'
   */
  readonly attemptTimeoutMs?: number | 'auto' | ((scope: PolicyScope) => AttemptLimit)
  /** Header fields of every call. @default {} */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * Name that the certificates of https instances must have, and that is sent as SNI; for instances that are registered by address. `false` for
   * what an instance's metadata `tls-server-name` says, or else its address. @default false
   */
  readonly serverName?: string | false
  /**
   * Whether requests may be sent twice whatever their method, because the server keeps the result under the `Idempotency-Key`: a call with another method
   * than the idempotent ones gets one for all of its attempts, unless it has one. @default false
   */
  readonly idempotent?: boolean
  /**
   * Whether identical GETs that are under way at once share one call: the same path and header fields, but those of tracing. Each caller has a copy of the body, of
   * up to 1 MiB, and its own deadline and signal. Not shared: a response that sets a cookie, or is `private` or `no-store` unless the fields tell
   * who asks. @default false
   */
  readonly collapse?: boolean
  /** The response in place of a call that failed: with an error, or with a status from 500 on. @default none */
  readonly fallback?: CallFallback | false
  /** Limits how often the service is called. @default none */
  readonly rateLimit?: CallRateLimit | false
  /** Makes what bounds how many calls are under way at once, such as `createBulkhead`. The client closes it. @default none */
  readonly concurrencyLimit?: ((scope: PolicyScope) => ConcurrencyLimit) | false
  /** Makes the service's circuit breaker, which judges whole calls. @default none */
  readonly breaker?: ((scope: PolicyScope) => CircuitBreaker) | false
  /** Decides whether a call is tried again. @default another endpoint at once when a connection failed, 3 attempts in all, within the budget */
  readonly retry?: RetryPolicy | ((scope: PolicyScope) => RetryPolicy) | false
  /** Makes calls once more while they take long. @default none */
  readonly hedge?: ((scope: PolicyScope) => HedgePolicy) | false
  /** What retries and hedges may add to the load, all together. @default a fifth of the calls, and 10 per second */
  readonly retryBudget?: RetryBudgetOptions
  /** Chooses endpoints. */
  readonly balancer?: Balancer
  /** Makes an instance's circuit breaker, which judges attempts. While it is open the instance is not picked. @default none */
  readonly instanceBreaker?: ((scope: InstanceScope) => CircuitBreaker) | false
  /**
   * Settings by operation, such as `POST /reports` or `GET /stock/{id}`: a method in upper case and a path, in which a name in braces stands for any one
   * segment. An operation with a policy of its own has another one than the service, named `<service> <operation>`: a breaker of one operation does
   * not refuse the others. Of several that match, the one with literal text further to the left is in effect. At most 200. @default {}
   */
  readonly operations?: Readonly<Record<string, OperationSettings>>
}

/** Settings of one operation of a service; for what it leaves out the service's are in effect, and the service's policies are shared. */
export interface OperationSettings
  extends Omit<ServiceSettings, 'balancer' | 'retryBudget' | 'serverName' | 'instanceBreaker' | 'operations'> {
  /** `false` keeps failures of this operation from the breakers of instances. */
  readonly instanceBreaker?: false
}

/** Settings of all services. */
export interface ClientSettings extends ServiceSettings {
  /** Settings by service name; they win over the others, and header fields are merged. @default {} */
  readonly services?: Readonly<Record<string, ServiceSettings>>
}

/** Settings of one service, or of one operation, with everything filled in. */
export type ResolvedSettings = Required<ServiceSettings>

/** Names of the settings. */
export const settingKeys = [
  'timeoutMs',
  'attemptTimeoutMs',
  'headers',
  'serverName',
  'idempotent',
  'collapse',
  'fallback',
  'rateLimit',
  'concurrencyLimit',
  'breaker',
  'retry',
  'hedge',
  'retryBudget',
  'balancer',
  'instanceBreaker',
  'operations',
] as const

/** Names of the settings that an operation may have. */
const operationKeys = settingKeys.filter((key) => !['balancer', 'retryBudget', 'serverName', 'operations'].includes(key))

/** Settings of a service and of its operations. */
export interface ResolvedServiceSettings {
  /** Of the service. */
  readonly settings: ResolvedSettings
  /** Of its operations, by name. */
  readonly operations: ReadonlyMap<string, ResolvedSettings>
}

/**
 * Checks settings with their operations and fills in what they don't say.
 *
 * @param path what the names of fields in errors begin with, such as `services.orders`
 * @throws SdError `SD_INVALID` that names the field
 */
export function resolveServiceSettings(path: string, given: ServiceSettings, base: ResolvedSettings): ResolvedServiceSettings {
  const settings = resolveSettings(path, given, base)
  const field = path === '' ? 'operations' : `${path}.operations`
  const own = Object.entries(checkObject(field, settings.operations)) as [string, OperationSettings][]
  if (own.length > maxOperations) throw invalidError(field, `${own.length} operations`, `at most ${maxOperations}`)
  const operations = own.map(([name, operation]) => {
    const at = `${field}[${name}]`
    readOperation(field, checkName(at, name))
    checkKnownKeys(at, checkObject(at, operation), operationKeys)
    const { instanceBreaker } = operation
    if (instanceBreaker !== undefined && instanceBreaker !== false)
      throw invalidError(`${at}.instanceBreaker`, instanceBreaker, 'false')
    return [name, resolveSettings(at, operation, settings)] as const
  })
  return { settings, operations: new Map(operations) }
}

/** What is in effect where nothing was set. */
export function createBaseSettings(balancer: Balancer): ResolvedSettings {
  return {
    timeoutMs: 10_000,
    attemptTimeoutMs: 'auto',
    headers: {},
    serverName: false,
    idempotent: false,
    collapse: false,
    fallback: false,
    rateLimit: false,
    concurrencyLimit: false,
    breaker: false,
    retry: repickPolicy,
    hedge: false,
    retryBudget: {},
    balancer,
    instanceBreaker: false,
    operations: {},
  }
}

/**
 * Checks settings and fills in what they don't say.
 *
 * @param path what the names of fields in errors begin with, such as `services.orders`
 * @throws SdError `SD_INVALID` that names the field
 */
function resolveSettings(path: string, settings: ServiceSettings, base: ResolvedSettings): ResolvedSettings {
  const field = (name: string): string => (path === '' ? name : `${path}.${name}`)
  checkKnownKeys(path, checkObject(path === '' ? 'settings' : path, settings), settingKeys)
  const { timeoutMs, attemptTimeoutMs, headers, fallback, rateLimit, retry, retryBudget, balancer, serverName } = settings
  if (timeoutMs !== undefined) checkDuration(field('timeoutMs'), timeoutMs)
  if (attemptTimeoutMs !== undefined) checkAttemptLimit(field('attemptTimeoutMs'), attemptTimeoutMs)
  if (serverName !== undefined && serverName !== false) checkName(field('serverName'), serverName, 253)
  if (settings.collapse !== undefined) checkBoolean(field('collapse'), settings.collapse)
  if (settings.idempotent !== undefined) checkBoolean(field('idempotent'), settings.idempotent)
  if (fallback) checkFallback(field('fallback'), fallback)
  if (rateLimit) checkRateLimitSetting(field('rateLimit'), rateLimit)
  for (const name of ['concurrencyLimit', 'breaker', 'hedge', 'instanceBreaker'] as const) {
    const factory: unknown = settings[name]
    if (factory && typeof factory !== 'function') {
      throw invalidError(field(name), factory, 'a function that makes one: ({ name }) => …, called for each service or instance')
    }
  }
  if (retry && typeof retry !== 'function') checkFunction(field('retry.next'), retry.next)
  if (retryBudget) checkBudget(field('retryBudget'), retryBudget)
  if (balancer) checkFunction(field('balancer.createPicker'), balancer.createPicker)
  const given = Object.entries(settings).filter(([, value]) => value !== undefined)
  return {
    ...base,
    ...(Object.fromEntries(given) as ServiceSettings),
    headers: { ...base.headers, ...readHeaders(field('headers'), headers ?? {}) },
  }
}

function checkBudget(path: string, options: RetryBudgetOptions): void {
  checkObject(path, options)
  atPath(path, () => createRetryBudget(options))
}

/** Runs a check of options, and names their place in its error. @throws SdError `SD_INVALID` */
export function atPath<T>(path: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!(error instanceof SdError) || error.code !== 'SD_INVALID' || error.field === undefined) throw error
    const field = `${path}.${error.field}`
    throw new SdError('SD_INVALID', error.message.replace(error.field, field), { field, cause: error })
  }
}

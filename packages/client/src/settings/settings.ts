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
  prefixField,
  type RetryBudget,
  type RetryBudgetOptions,
  type RetryPolicy,
  type ServiceInstance,
} from '@sd/core'
import { type AttemptLimit, checkAttemptLimit } from '../attempt/attempt-limit.ts'
import { repickPolicy } from '../attempt/repick.ts'
import { readHeaders } from '../message/request-check.ts'
import { checkFallback } from '../policies/fallback.ts'
import type { CallFallback } from '../policies/fallback-setting.ts'
import { type CallRateLimit, checkRateLimitSetting } from '../policies/rate-limit-setting.ts'
import { maxOperations, readOperation } from '../services/operation-matcher.ts'

/** The service that a policy is created for. */
export interface PolicyScope {
  /** Name of the policy: the name of the service; for a policy of an instance `<service>/<instance id>`. */
  readonly name: string
  /** Name of the service. */
  readonly service: string
  /** Retry budget of the service, shared by retries and hedges. The client credits it once per call: `deposit` does nothing. */
  readonly budget: RetryBudget
}

/** The instance that a policy is created for. */
export interface InstanceScope extends PolicyScope {
  /** The instance. */
  readonly instance: ServiceInstance
}

/**
 * Settings that each service can override. Stateful policies are passed as factories, so that each service gets its
 * own; `false` disables a policy. A call passes the policies in the order of the list below.
 */
export interface ServiceSettings {
  /**
   * Time limit of a call in milliseconds, from its start until its body has been read; 0 for no limit. The remaining
   * time is sent in `x-request-timeout-ms`.
   *
   * @default 10_000
   */
  readonly timeoutMs?: number
  /**
   * Time limit of each attempt in milliseconds, until the head of its response; 0 for no limit. An attempt over the
   * limit ends with `SD_TIMEOUT`, so that a hanging instance leaves time for another one. A function creates a limit
   * that follows the measured response times.
   *
   * `auto` is half of the call's time limit, at least 1,000 ms. It applies to requests that may be repeated, while
   * there is another instance and the retry budget allows another attempt. It does not apply to calls that set a longer
   * `timeoutMs` than the service has.
   *
   * @default 'auto'
   */
  readonly attemptTimeoutMs?: number | 'auto' | ((scope: PolicyScope) => AttemptLimit)
  /** Header fields added to every call. @default {} */
  readonly headers?: Readonly<Record<string, string>>
  /**
   * Name that the certificates of https instances must have; also sent as SNI. Use it for instances that are registered
   * by address. `false` selects the instance's metadata `tls-server-name`, or else its address. @default false
   */
  readonly serverName?: string | false
  /**
   * Whether requests may be sent twice whatever their method, because the server keeps the result under the
   * `Idempotency-Key`. All attempts of a call with a non-idempotent method carry the same key: that of the caller, or a
   * generated one. @default false
   */
  readonly idempotent?: boolean
  /**
   * Whether identical concurrent GETs share one call: same path and same header fields, except those of tracing. Each
   * caller has a copy of the body, up to 1 MiB, and its own deadline and signal. A response is not shared if it sets a
   * cookie, or if it is `private` or `no-store` and the request has no field that identifies the caller. @default false
   */
  readonly collapse?: boolean
  /** Response that replaces a failed call: one that ended with an error or with a status of 500 or above. @default none */
  readonly fallback?: CallFallback | false
  /** Limits the rate of calls to the service. @default none */
  readonly rateLimit?: CallRateLimit | false
  /** Creates the limit for concurrent calls, such as `createBulkhead`. The client closes it. @default none */
  readonly concurrencyLimit?: ((scope: PolicyScope) => ConcurrencyLimit) | false
  /** Creates the circuit breaker of the service, which judges whole calls. @default none */
  readonly breaker?: ((scope: PolicyScope) => CircuitBreaker) | false
  /**
   * Decides whether a call is retried. @default another endpoint at once if the connection failed, 3 attempts in all,
   * within the budget
   */
  readonly retry?: RetryPolicy | ((scope: PolicyScope) => RetryPolicy) | false
  /** Creates the policy that sends a second attempt while the first one is slow. @default none */
  readonly hedge?: ((scope: PolicyScope) => HedgePolicy) | false
  /** Load that retries and hedges together may add. @default a fifth of the calls, and 10 per second */
  readonly retryBudget?: RetryBudgetOptions
  /** Picks endpoints. @default the balancer of the client */
  readonly balancer?: Balancer
  /**
   * Creates the circuit breaker of an instance, which judges attempts. While it is open the instance is not picked.
   * @default none
   */
  readonly instanceBreaker?: ((scope: InstanceScope) => CircuitBreaker) | false
  /**
   * Settings by operation, such as `POST /reports` or `GET /stock/{id}`: a method in upper case and a path, in which a
   * name in braces matches any one segment. A policy that an operation sets is separate from that of the service and is
   * named `<service> <operation>`: the breaker of one operation does not reject the others. If several operations
   * match, the one with literal text further to the left applies. At most 200. @default {}
   */
  readonly operations?: Readonly<Record<string, OperationSettings>>
}

/** Settings of one operation of a service. Omitted settings are those of the service, and share its policies. */
export interface OperationSettings
  extends Omit<ServiceSettings, 'balancer' | 'retryBudget' | 'serverName' | 'instanceBreaker' | 'operations'> {
  /** `false` hides failures of this operation from the breakers of instances. */
  readonly instanceBreaker?: false
}

/** Settings of all services. */
export interface ClientSettings extends ServiceSettings {
  /** Settings by service name. They override the settings of all services; header fields are merged. @default {} */
  readonly services?: Readonly<Record<string, ServiceSettings>>
}

/** Settings of one service, or of one operation, with all defaults filled in. */
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

/** Resolved settings of a service and of its operations. */
export interface ResolvedServiceSettings {
  /** Settings of the service. */
  readonly settings: ResolvedSettings
  /** Settings of its operations, by name. */
  readonly operations: ReadonlyMap<string, ResolvedSettings>
}

/**
 * Validates settings and operations, and fills in defaults.
 *
 * @param path prefix of field names in errors, such as `services.orders`
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

/** The defaults. */
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
 * Validates settings and fills in defaults.
 *
 * @param path prefix of field names in errors, such as `services.orders`
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
      throw invalidError(
        field(name),
        factory,
        'a function that creates one: ({ name }) => …, called for each service or instance',
      )
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

/** Runs a check of options and prefixes the field name in its error with `path`. @throws SdError `SD_INVALID` */
export function atPath<T>(path: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    throw prefixField(path, error)
  }
}

import {
  checkBoolean,
  checkObject,
  checkOneOf,
  createRetryBudget,
  invalidError,
  type RateLimiter,
  type RetryBudgetOptions,
} from '@sd/core'
import { createMeasuredLimit, type MeasuredLimitOptions } from '../attempt/measured-limit.ts'
import { checkFallback } from '../policies/fallback.ts'
import type { CallFallback } from '../policies/fallback-setting.ts'
import type { Reuse } from './object-cache.ts'
import { atPath, type InstanceScope, type PolicyScope, type ServiceSettings, settingKeys } from './settings.ts'
import type { PartFactory, SettingsParts } from './settings-parts.ts'

/** Settings of all services, of one, or of one operation, as plain data. */
export type PolicyDocument = Readonly<Record<string, unknown>>

/** Names of the fields that a {@link PolicyDocument} may have. */
export const documentKeys: readonly string[] = ['resilient', ...settingKeys]

/** Input for reading a document. */
export interface PolicyReading {
  /** Path of the document, for errors. */
  readonly path: string
  /** The document, merged with its defaults. */
  readonly document: PolicyDocument
  /** Factories that the document may use. */
  readonly parts: SettingsParts
  /** Keeps what was created from the same data. */
  readonly reuse: Reuse
}

/**
 * Fills the fields that a document omits from another one. Objects of the same policy are merged; `true` selects the
 * other document's value, or the defaults of the policy.
 */
export function withDefaults(own: PolicyDocument, defaults: PolicyDocument): PolicyDocument {
  const merged: Record<string, unknown> = { ...defaults }
  for (const [key, value] of Object.entries(own)) {
    if (value === undefined) continue
    const other = defaults[key]
    const isMerged = isPlain(value) && isPlain(other) && (value['kind'] ?? other['kind']) === other['kind']
    merged[key] = value === true ? (isPlain(other) ? other : {}) : isMerged ? { ...other, ...value } : value
  }
  return merged
}

/** Creates settings from a document. @throws SdError `SD_INVALID` that names the field */
export function readPolicies(reading: PolicyReading): ServiceSettings {
  const { document, reuse, parts } = reading
  const at = (key: string): string => (reading.path === '' ? key : `${reading.path}.${key}`)
  const { timeoutMs, headers, fallback, retryBudget } = document
  /** Reads a policy that is created from data. The policy validates its data now. */
  function read<T, Setting>(
    key: string,
    part: PartFactory<T> | undefined,
    scope: object,
    toSetting: (make: (scope: object) => T) => Setting,
  ) {
    const given = document[key]
    if (given === undefined) return undefined
    if (given === null || given === false) return false as const
    const data = checkObject(at(key), given)
    const make = part ?? missing(at(key), key)
    return reuse(key, data, () => {
      dispose(atPath(at(key), () => make({ ...scope, ...data } as never)))
      return toSetting((own) => make({ ...own, ...data } as never))
    })
  }
  const inBudget = { budget: createRetryBudget() }
  const named = { name: 'check' }
  return dropUndefined({
    timeoutMs: timeoutMs as number | undefined,
    attemptTimeoutMs: readAttemptTimeout(at('attemptTimeoutMs'), document['attemptTimeoutMs'], reuse),
    serverName: document['serverName'] as string | false | undefined,
    idempotent: document['idempotent'] as boolean | undefined,
    collapse: document['collapse'] as boolean | undefined,
    headers: headers as Record<string, string> | undefined,
    fallback: readFallback(at('fallback'), fallback, reuse),
    rateLimit: readRateLimit(reading, at('rateLimit')),
    concurrencyLimit: readConcurrencyLimit(reading, at('concurrencyLimit')),
    breaker: read(
      'breaker',
      parts.breaker,
      named,
      (make) =>
        ({ name }: PolicyScope) =>
          make({ name }),
    ),
    retry: read(
      'retry',
      parts.retry,
      inBudget,
      (make) =>
        ({ budget }: PolicyScope) =>
          make({ budget }),
    ),
    hedge: read(
      'hedge',
      parts.hedge,
      inBudget,
      (make) =>
        ({ budget }: PolicyScope) =>
          make({ budget }),
    ),
    retryBudget: readBudget(at('retryBudget'), retryBudget, reuse),
    balancer: readBalancer(reading, at('balancer')),
    instanceBreaker: read(
      'instanceBreaker',
      parts.breaker,
      named,
      (make) =>
        ({ name }: InstanceScope) =>
          make({ name }),
    ),
  })
}

function readAttemptTimeout(path: string, given: unknown, reuse: Reuse): ServiceSettings['attemptTimeoutMs'] {
  if (given === null || given === false) return 0
  if (typeof given !== 'object') return given as number | 'auto' | undefined
  return reuse('attemptTimeoutMs', checkObject(path, given) as MeasuredLimitOptions, (data) => {
    atPath(path, () => createMeasuredLimit(data))
    return () => createMeasuredLimit(data)
  })
}

function readFallback(path: string, given: unknown, reuse: Reuse): CallFallback | false | undefined {
  if (given === undefined || given === null || given === false) return given === undefined ? undefined : false
  checkOneOf(`${path}.kind`, checkObject(path, given)['kind'], ['response', 'last-success'])
  checkFallback(path, given as unknown as CallFallback)
  return reuse('fallback', given as CallFallback, (data) => data)
}

function readBudget(path: string, given: unknown, reuse: Reuse): RetryBudgetOptions | undefined {
  if (given === undefined) return undefined
  const options = checkObject(path, given) as RetryBudgetOptions
  atPath(path, () => createRetryBudget(options))
  return reuse('retryBudget', options, (data) => data)
}

function readRateLimit({ document, parts, reuse }: PolicyReading, path: string): ServiceSettings['rateLimit'] {
  const given = document['rateLimit']
  if (given === undefined || given === null || given === false) return given === undefined ? undefined : false
  const { wait = false, ...rule } = checkObject(path, given)
  checkBoolean(`${path}.wait`, wait)
  const make = parts.rateLimiter ?? missing(path, 'rateLimiter')
  // One limiter for all services with these numbers: it counts each service under its own name.
  const limiter = reuse('rateLimiter', rule, (data): RateLimiter => atPath(path, () => make(data as never)))
  return reuse('rateLimit', { rule, wait }, () => ({ limiter, wait: wait as boolean }))
}

function readConcurrencyLimit({ document, parts, reuse }: PolicyReading, path: string): ServiceSettings['concurrencyLimit'] {
  const given = document['concurrencyLimit']
  if (given === undefined || given === null || given === false) return given === undefined ? undefined : false
  const { kind, ...data } = checkObject(path, given)
  const make = choose(`${path}.kind`, kind, parts.concurrencyLimits)
  return reuse('concurrencyLimit', { kind, data }, () => {
    atPath(path, () => make({ name: 'check', ...data } as never)).close()
    return ({ name }: PolicyScope) => make({ name, ...data } as never)
  })
}

function readBalancer({ document, parts, reuse }: PolicyReading, path: string): ServiceSettings['balancer'] {
  const given = document['balancer']
  if (given === undefined) return undefined
  const { kind, ...data } = typeof given === 'string' ? { kind: given } : checkObject(path, given)
  const make = choose(typeof given === 'string' ? path : `${path}.kind`, kind, parts.balancers)
  return reuse('balancer', { kind, data }, () => atPath(path, () => make(data as never)))
}

function choose<T>(path: string, kind: unknown, parts: Readonly<Record<string, T>> = {}): T {
  return parts[checkOneOf(path, kind, Object.keys(parts))] as T
}

function missing(path: string, part: string): never {
  throw invalidError(path, 'a policy', `none, or pass the part ${part} to createSettingsReader`)
}

function dispose(made: unknown): void {
  if (typeof made === 'object' && made !== null && 'close' in made && !('tryAcquire' in made)) (made.close as () => void)()
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

function dropUndefined<T extends object>(settings: T): Defined<T> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Defined<T>
}

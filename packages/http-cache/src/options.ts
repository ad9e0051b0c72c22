import { checkBoolean, checkDuration, checkInteger, checkKnownKeys, checkObject, checkOneOf, invalidError } from '@sd/core'
import { createMemoryStore } from './memory-store.ts'
import type { CacheStore } from './store.ts'

/** Options of `createHttpCache`. */
export interface HttpCacheOptions {
  /** Name in `cache-status` and in telemetry: a token. @default 'http-cache' */
  readonly name?: string
  /**
   * `shared` for responses to several users, `private` for those of one user: then `private`, `authorization` and cookies do
   * not prevent storing.
   *
   * @default 'shared'
   */
  readonly type?: 'shared' | 'private'
  /** Where responses are stored. The cache closes it. @default createMemoryStore() */
  readonly store?: CacheStore
  /** Most bytes of one body. Longer ones pass without being stored. @default 1_048_576 (1 MiB) */
  readonly maxBodyBytes?: number
  /** Most bytes of all bodies that are on their way into the store. @default 33_554_432 (32 MiB) */
  readonly maxPendingBytes?: number
  /** How long a request waits for another one for the same response, in milliseconds; 0 to send all. @default 5_000 */
  readonly collapseWaitMs?: number
  /** How long a stale response is kept because it can be validated, in milliseconds. @default 86_400_000 (1 day) */
  readonly keepStaleMs?: number
  /**
   * How long a stale response may stand in for a service that does not respond, in milliseconds, if the response does not set
   * `stale-if-error` itself, and does not prohibit it.
   *
   * @default 60_000
   */
  readonly staleIfUnreachableMs?: number
  /** Whether `cache-control` and `pragma` of requests have an effect, except `no-store`. @default true */
  readonly requestDirectives?: boolean
  /** Whether a shared cache stores responses that set cookies. @default false */
  readonly storeCookies?: boolean
  /**
   * Targeted fields (RFC 9213) that apply to this cache, such as `cdn-cache-control`, the most specific one first. The first one
   * that a response has, and that is valid, replaces its `cache-control` and `expires`. For shared caches.
   *
   * @default none
   */
  readonly targets?: readonly string[]
  /** Time limit of an operation of the store, in milliseconds. @default 250 */
  readonly storeTimeoutMs?: number
}

const keys: readonly (keyof HttpCacheOptions)[] = [
  'name',
  'type',
  'store',
  'maxBodyBytes',
  'maxPendingBytes',
  'collapseWaitMs',
  'keepStaleMs',
  'staleIfUnreachableMs',
  'requestDirectives',
  'storeCookies',
  'targets',
  'storeTimeoutMs',
]

/** Options with their defaults. */
export interface CacheSettings {
  readonly name: string
  readonly isShared: boolean
  readonly store: CacheStore
  readonly maxBodyBytes: number
  readonly maxPendingBytes: number
  readonly collapseWaitMs: number
  readonly keepStaleMs: number
  readonly staleIfUnreachableMs: number
  readonly requestDirectives: boolean
  readonly storesCookies: boolean
  readonly targets: readonly string[]
  readonly storeTimeoutMs: number
}

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function readCacheOptions(options: HttpCacheOptions): CacheSettings {
  checkKnownKeys('', options, keys)
  const { name = 'http-cache', store = createMemoryStore() } = options
  if (typeof name !== 'string' || !/^[a-z*][\w:/!#$%&'*+\-.^`|~]{0,99}$/i.test(name)) {
    throw invalidError('name', name, 'a token of at most 100 characters that begins with a letter')
  }
  const given = checkObject('store', store)
  for (const method of ['get', 'put', 'purge'] as const) {
    if (typeof given[method] !== 'function') throw invalidError(`store.${method}`, given[method], 'a function')
  }
  const isShared = checkOneOf('type', options.type ?? 'shared', ['shared', 'private']) === 'shared'
  const targets = readTargets('targets', options.targets ?? [])
  if (!isShared && targets.length > 0) throw invalidError('targets', targets[0], 'none for a private cache')
  const bytes = { min: 0, max: 2_147_483_647 }
  return {
    name,
    store,
    isShared,
    targets,
    maxBodyBytes: checkInteger('maxBodyBytes', options.maxBodyBytes ?? 1_048_576, bytes),
    maxPendingBytes: checkInteger('maxPendingBytes', options.maxPendingBytes ?? 33_554_432, bytes),
    collapseWaitMs: checkDuration('collapseWaitMs', options.collapseWaitMs ?? 5_000),
    keepStaleMs: checkDuration('keepStaleMs', options.keepStaleMs ?? 86_400_000),
    staleIfUnreachableMs: checkDuration('staleIfUnreachableMs', options.staleIfUnreachableMs ?? 60_000),
    requestDirectives: checkBoolean('requestDirectives', options.requestDirectives ?? true),
    storesCookies: checkBoolean('storeCookies', options.storeCookies ?? false),
    storeTimeoutMs: checkDuration('storeTimeoutMs', options.storeTimeoutMs ?? 250, 1),
  }
}

/** Checks the names of targeted fields. @returns them in lower case @throws SdError `SD_INVALID` that names the field */
export function readTargets(field: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > 10) throw invalidError(field, value, 'an array of at most 10 names of fields')
  return value.map((name, index) => {
    const isTarget = typeof name === 'string' && /^[a-z\d-]{1,60}-cache-control$/i.test(name)
    if (!isTarget) throw invalidError(`${field}[${index}]`, name, 'a name such as cdn-cache-control')
    return name.toLowerCase()
  })
}

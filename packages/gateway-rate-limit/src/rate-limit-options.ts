import { checkBoolean, checkInteger, checkKnownKeys, checkObject, checkOneOf, invalidError, type RateLimiter } from '@sd/core'
import { type FilterScope, type GatewayExchange, type Networks, readNetworks } from '@sd/gateway'
import { type RateLimitKeyPart, readKey } from './rate-limit-key.ts'

/** A limit of a route. */
export interface RateLimitSpec {
  /** Name of one of `RateLimitParts.limiters`, which has the numbers. It is also the name in the RateLimit fields. */
  readonly limiter: string
  /** What has a limit of its own: a part, several together, or `none` for all requests as one. @default 'client-address' */
  readonly key?: RateLimitKeyPart | readonly RateLimitKeyPart[] | 'none'
  /** Units that a request takes. @default 1 */
  readonly cost?: number
}

/** Options of the filter on a route. */
export interface RateLimitOptions {
  /** Limits, all of which must allow a request. Each limiter occurs once. */
  readonly limits: readonly RateLimitSpec[]
  /** Networks of clients without a limit, such as `10.0.0.0/8`. @default none */
  readonly exempt?: readonly string[]
  /** Whether requests are only counted, and never refused; responses have no RateLimit fields then. @default false */
  readonly dryRun?: boolean
}

/** A limit, prepared for requests. */
export interface PreparedLimit {
  /** Name of the limiter. */
  readonly name: string
  readonly limiter: RateLimiter
  readonly cost: number
  keyOf(exchange: GatewayExchange): string
}

/** Options, prepared for requests. */
export interface ResolvedRateLimit {
  readonly limits: readonly PreparedLimit[]
  readonly exempt: Networks
  readonly dryRun: boolean
}

/** Checks options from a table. @throws SdError `SD_INVALID` that names the field */
export function readRateLimitOptions(
  options: Readonly<Record<string, unknown>>,
  limiters: Readonly<Record<string, RateLimiter>>,
  { match }: FilterScope,
): ResolvedRateLimit {
  checkKnownKeys('', options, ['limits', 'exempt', 'dryRun'])
  const { limits, exempt, dryRun = false } = options
  if (!Array.isArray(limits) || limits.length === 0 || limits.length > 10) {
    throw invalidError('limits', limits, 'an array of 1 to 10 limits')
  }
  const prepared = limits.map((limit, index) => readLimit(`limits[${index}]`, limit, limiters, match?.path))
  for (const [index, { name }] of prepared.entries()) {
    if (prepared.findIndex((other) => other.name === name) < index) {
      throw invalidError(`limits[${index}].limiter`, name, 'a limiter that no other limit of this filter has')
    }
  }
  return {
    limits: prepared,
    exempt: readNetworks('exempt', exempt as readonly string[] | undefined),
    dryRun: checkBoolean('dryRun', dryRun),
  }
}

function readLimit(
  path: string,
  value: unknown,
  limiters: Readonly<Record<string, RateLimiter>>,
  pattern: string | undefined,
): PreparedLimit {
  const limit = checkObject(path, value)
  checkKnownKeys(path, limit, ['limiter', 'key', 'cost'])
  const { limiter: name, key = 'client-address', cost: given = 1 } = limit
  const limiter = limiters[checkOneOf(`${path}.limiter`, name, Object.keys(limiters))] as RateLimiter
  const cost = checkInteger(`${path}.cost`, given, { min: 1, max: 1_000_000 })
  const most = limiter.tryAcquire?.('cost', { cost: 0 }).limit ?? cost
  if (cost > most) throw invalidError(`${path}.cost`, cost, `at most ${most}, which the limiter allows at once`)
  return { name: name as string, limiter, cost, keyOf: readKey(`${path}.key`, key, pattern) }
}

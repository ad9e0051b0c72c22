import { type Credentials, checkCredentials, checkProvided, type Provided } from '@sd/adapter-kit'
import { checkDuration, checkInteger, checkKnownKeys, checkName, checkNumber, checkOneOf, invalidError } from '@sd/core'
import { checkRateLimit, type RateLimiterOptions, type RateLimitRule, rateLimiterKeys } from '@sd/rate-limit-kit'
import { checkTls, type TlsOptions } from '@sd/tls'

/** Options of `createRedisRateLimiter`. */
export interface RedisRateLimiterOptions extends RateLimiterOptions {
  /** Address of the server: `host:port`, `redis://host:port`, or `rediss://host:port` for TLS. @default '127.0.0.1:6379' */
  readonly endpoint?: string
  /** Login. A function is called for every new connection. A server with only a password has the user `default`. @default none */
  readonly credentials?: Provided<Credentials>
  /** Certificates; requires a `rediss://` endpoint. @default those that Node trusts */
  readonly tls?: TlsOptions
  /** Number of the database. @default 0 */
  readonly database?: number
  /**
   * Prefix of all keys in Redis. Limiters with the same prefix share their limits, so each rule needs its own.
   *
   * @default 'sd:rate-limit'
   */
  readonly prefix?: string
  /** Timeout of a command, and of a connection attempt, in milliseconds. @default 500 */
  readonly operationTimeoutMs?: number
  /**
   * Behavior while Redis is unreachable. `local`: this process limits by itself, with its share of the limit. `open`: all
   * calls are allowed. `closed`: `acquire` rejects with `SD_UNAVAILABLE`.
   * @default 'local'
   */
  readonly whenUnavailable?: 'open' | 'closed' | 'local'
  /**
   * For `local`: share of the limit that this process may use, above 0 to 1. With eight processes, 1/8 keeps the total
   * limit.
   *
   * @default 1
   */
  readonly localShare?: number
  /** For `local`: maximum number of keys kept in memory. @default 100_000 */
  readonly maxLocalKeys?: number
}

/** Options, validated and with defaults applied. */
export interface ResolvedRedisRateLimiterOptions {
  readonly name: string
  readonly rule: RateLimitRule
  readonly host: string
  readonly port: number
  readonly secure: boolean
  readonly credentials: Provided<Credentials> | undefined
  readonly tls: TlsOptions
  readonly database: number
  readonly prefix: string
  readonly operationTimeoutMs: number
  readonly whenUnavailable: 'open' | 'closed' | 'local'
  readonly localRule: RateLimitRule
  readonly maxLocalKeys: number
}

const keys = [
  ...rateLimiterKeys,
  ...['endpoint', 'credentials', 'tls', 'database', 'prefix', 'operationTimeoutMs'],
  ...['whenUnavailable', 'localShare', 'maxLocalKeys'],
]

const endpointPattern = /^(?:(rediss?):\/\/)?(?:\[([0-9a-f:.]+)\]|([a-z0-9_][a-z0-9._-]*))(?::(\d{1,5}))?\/?$/i

/** Validates the options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveRedisRateLimiterOptions(options: RedisRateLimiterOptions): ResolvedRedisRateLimiterOptions {
  checkKnownKeys('', options, keys)
  const rule = checkRateLimit(options)
  const endpoint = checkEndpoint(options.endpoint ?? '127.0.0.1:6379')
  const { credentials, tls } = options
  if (tls !== undefined && !endpoint.secure) throw invalidError('tls', 'TLS options', 'an endpoint that begins with rediss://')
  const share = checkNumber('localShare', options.localShare ?? 1, { min: 1e-6, max: 1 })
  return {
    ...endpoint,
    rule,
    name: checkName('name', options.name ?? 'redis'),
    credentials: credentials && checkProvided(credentials, (value) => checkCredentials('credentials', value)),
    tls: tls === undefined ? {} : checkTls('tls', tls),
    database: checkInteger('database', options.database ?? 0, { min: 0, max: 1_000_000 }),
    prefix: checkName('prefix', options.prefix ?? 'sd:rate-limit'),
    operationTimeoutMs: checkDuration('operationTimeoutMs', options.operationTimeoutMs ?? 500, 1),
    whenUnavailable: checkOneOf('whenUnavailable', options.whenUnavailable ?? 'local', ['open', 'closed', 'local']),
    localRule: { ...rule, limit: Math.ceil(rule.limit * share), burst: Math.ceil(rule.burst * share) },
    maxLocalKeys: checkInteger('maxLocalKeys', options.maxLocalKeys ?? 100_000, { min: 1, max: 10_000_000 }),
  }
}

function checkEndpoint(endpoint: unknown): Pick<ResolvedRedisRateLimiterOptions, 'host' | 'port' | 'secure'> {
  const match = typeof endpoint === 'string' ? endpointPattern.exec(endpoint) : null
  const port = Number(match?.[4] ?? 6379)
  if (match && port >= 1 && port <= 65_535) {
    return { host: match[2] ?? (match[3] as string), port, secure: match[1]?.toLowerCase() === 'rediss' }
  }
  const shown = typeof endpoint === 'string' && endpoint.includes('@') ? 'a string with "@"' : endpoint
  throw invalidError('endpoint', shown, 'host:port, redis://host:port or rediss://host:port, without credentials')
}

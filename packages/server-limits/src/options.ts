import {
  type CallPriority,
  type ConcurrencyLimit,
  checkBoolean,
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  guardListener,
  invalidError,
  type RateLimiter,
  readIpNetwork,
  type SdError,
} from '@sd/core'
import type { RequestHead } from './admission.ts'

/** How often one caller may ask. */
export interface ServerRateLimit {
  /** Any limiter, such as `createMemoryRateLimiter`, whose table of keys is bounded. It is not closed with the limits. */
  readonly limiter: RateLimiter
  /**
   * Whose request it is; without a key it is not limited. Take what callers can't make up: a verified user, or an address. Longer keys than
   * limiters take are replaced by their hash. @default the address of the connection's peer, of IPv6 its /64: one caller has all of that
   */
  readonly key?: (request: RequestHead) => string | undefined
  /** Units that a request takes. @default 1 for each */
  readonly cost?: (request: RequestHead) => number
}

/** Options of `createServerLimits`. */
export interface ServerLimitsOptions {
  /** Name of the server, for metrics, errors, and the RateLimit fields of answers: 1 to 255 characters of printable ASCII. @default 'server' */
  readonly name?: string
  /** How often one caller may ask. @default no limit */
  readonly rate?: ServerRateLimit
  /** How many requests are served at once, such as `createAdaptiveLimit`. It is not closed with the limits. @default no limit */
  readonly concurrency?: ConcurrencyLimit
  /** How many WebSockets and event streams are open at once, such as `createBulkhead`: they take no place of `concurrency`. @default no limit */
  readonly streams?: ConcurrencyLimit
  /**
   * Whether the caller's priority and deadline are believed: by all, or by a function, for those who prove who they are. Leave it false at an
   * edge, where callers are strangers. @default false
   */
  readonly trusted?: boolean | ((request: RequestHead) => boolean)
  /** Shortest deadline of a caller that is believed, in milliseconds; a shorter one becomes this. @default 0 */
  readonly deadlineFloorMs?: number
  /** The server's own limit for an answer, in milliseconds: the request's signal fires then at the latest. 0 for none. @default 0 */
  readonly timeoutMs?: number
  /** How much a request matters, for example by its route; `undefined` leaves it to the caller's header field. @default the field, if it is trusted */
  readonly priority?: (request: RequestHead) => CallPriority | undefined
  /** Paths without query that are never refused. @default ['/health', '/health/live', '/health/ready'], those of `@sd/lifecycle` */
  readonly healthPaths?: readonly string[]
  /** What else is never refused, such as a path for metrics on the same port. @default nothing */
  readonly exempt?: (request: RequestHead) => boolean
  /** When a request that found no place should come again, in milliseconds; up to as much again is added at random. @default 1_000 */
  readonly retryAfterMs?: number
  /** How long the body of an admitted request may stand still, in milliseconds, before it is cut with 408. @default 10_000 */
  readonly bodyIdleTimeoutMs?: number
  /** Told of a rate limiter that failed; the request is admitted then. @default a process warning, at most one a minute */
  readonly onError?: (error: SdError) => void
  /** Source of randomness in [0, 1) for `retry-after`. @default Math.random */
  readonly random?: () => number
}

const optionKeys: readonly (keyof ServerLimitsOptions)[] = [
  'name',
  'rate',
  'concurrency',
  'streams',
  'trusted',
  'deadlineFloorMs',
  'timeoutMs',
  'priority',
  'healthPaths',
  'exempt',
  'retryAfterMs',
  'bodyIdleTimeoutMs',
  'onError',
  'random',
]

/** Options with their defaults filled in. */
export interface ResolvedServerLimitsOptions
  extends Omit<Required<ServerLimitsOptions>, 'rate' | 'concurrency' | 'streams' | 'trusted' | 'healthPaths'> {
  readonly rate: Required<ServerRateLimit> | undefined
  readonly concurrency: ConcurrencyLimit | undefined
  readonly streams: ConcurrencyLimit | undefined
  readonly trusted: (request: RequestHead) => boolean
  readonly healthPaths: ReadonlySet<string>
  /** Whether requests have priorities: otherwise each may take all places. */
  readonly hasPriorities: boolean
}

/** Checks the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveServerLimitsOptions(options: ServerLimitsOptions): ResolvedServerLimitsOptions {
  checkKnownKeys('', checkObject('options', options), optionKeys)
  const { trusted = false, priority } = options
  const isTrusted = typeof trusted === 'function' ? trusted : () => trusted
  if (typeof trusted !== 'function') checkBoolean('trusted', trusted)
  const name = checkName('name', options.name ?? 'server', 255)
  if (!/^[ -~]+$/.test(name)) throw invalidError('name', name, '1 to 255 characters of printable ASCII')
  return {
    name,
    rate: options.rate && readRate(options.rate),
    concurrency: readLimit('concurrency', options.concurrency),
    streams: readLimit('streams', options.streams),
    trusted: isTrusted,
    deadlineFloorMs: checkDuration('deadlineFloorMs', options.deadlineFloorMs ?? 0),
    timeoutMs: checkDuration('timeoutMs', options.timeoutMs ?? 0),
    priority: checkFunction('priority', priority ?? (() => undefined)),
    hasPriorities: trusted !== false || priority !== undefined,
    healthPaths: readPaths(options.healthPaths ?? ['/health', '/health/live', '/health/ready']),
    exempt: checkFunction('exempt', options.exempt ?? (() => false)),
    retryAfterMs: checkDuration('retryAfterMs', options.retryAfterMs ?? 1_000),
    bodyIdleTimeoutMs: checkDuration('bodyIdleTimeoutMs', options.bodyIdleTimeoutMs ?? 10_000, 1),
    onError: guardListener('onError', checkFunction('onError', options.onError ?? failWith)),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

/** A guarded listener that fails is warned of, at most once a minute: that is what is wanted where nobody listens. */
function failWith(error: SdError): never {
  throw error
}

/** Who asks, where the application does not say: the address, or its network where one caller has many. */
function networkOf({ remoteAddress }: RequestHead): string | undefined {
  return remoteAddress === undefined ? undefined : (readIpNetwork(remoteAddress) ?? remoteAddress)
}

function readRate(value: ServerRateLimit): Required<ServerRateLimit> {
  const rate = checkObject('rate', value) as unknown as ServerRateLimit
  if ('acquire' in rate) throw invalidError('rate', 'a limiter', 'an object with it: { limiter }')
  checkKnownKeys('rate', rate, ['limiter', 'key', 'cost'])
  checkFunction('rate.limiter.acquire', checkObject('rate.limiter', rate.limiter)['acquire'] as () => void)
  return {
    limiter: rate.limiter,
    key: checkFunction('rate.key', rate.key ?? networkOf),
    cost: checkFunction('rate.cost', rate.cost ?? (() => 1)),
  }
}

function readLimit(field: string, value: ConcurrencyLimit | undefined): ConcurrencyLimit | undefined {
  if (value === undefined) return undefined
  checkFunction(`${field}.tryAcquire`, checkObject(field, value)['tryAcquire'] as () => void)
  return value
}

function readPaths(paths: readonly string[]): ReadonlySet<string> {
  if (!Array.isArray(paths)) throw invalidError('healthPaths', paths, 'an array of paths')
  for (const [index, path] of paths.entries()) {
    if (typeof path !== 'string' || !path.startsWith('/'))
      throw invalidError(`healthPaths[${index}]`, path, 'a path from the slash')
  }
  return new Set(paths)
}

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

/** Rate limit per caller. */
export interface ServerRateLimit {
  /** Any limiter, such as `createMemoryRateLimiter`, whose table of keys is bounded. The limits do not close it. */
  readonly limiter: RateLimiter
  /**
   * Identifies the caller. A request without a key is not limited. Use a value that callers can't invent: a verified user
   * or an address. Keys that are too long for limiters are replaced by their hash. @default the address of the connection's
   * peer; the /64 network for IPv6, because one caller owns all of it
   */
  readonly key?: (request: RequestHead) => string | undefined
  /** Units that a request costs. @default 1 */
  readonly cost?: (request: RequestHead) => number
}

/** Options of `createServerLimits`. */
export interface ServerLimitsOptions {
  /**
   * Name of the server, for metrics, errors, and the RateLimit fields of responses: 1 to 255 characters of printable ASCII.
   *
   * @default 'server'
   */
  readonly name?: string
  /** Rate limit per caller. @default no limit */
  readonly rate?: ServerRateLimit
  /** Limit of requests in progress, such as `createAdaptiveLimit`. The limits do not close it. @default no limit */
  readonly concurrency?: ConcurrencyLimit
  /**
   * Limit of open WebSockets and event streams, such as `createBulkhead`. They take no place of `concurrency`.
   *
   * @default no limit
   */
  readonly streams?: ConcurrencyLimit
  /**
   * Whether to believe the caller's priority and deadline: for all callers, or decided by a function, for example for
   * authenticated ones. Keep it false at an edge, where callers are unknown. @default false
   */
  readonly trusted?: boolean | ((request: RequestHead) => boolean)
  /** Shortest accepted deadline of a caller, in milliseconds; a shorter one is raised to this. @default 0 */
  readonly deadlineFloorMs?: number
  /**
   * The server's own timeout for a response, in milliseconds. The request's signal aborts then at the latest. 0 disables
   * it.
   *
   * @default 0
   */
  readonly timeoutMs?: number
  /**
   * Priority of a request, for example by its route; `undefined` uses the caller's header field.
   *
   * @default the header field, if it is trusted
   */
  readonly priority?: (request: RequestHead) => CallPriority | undefined
  /**
   * Paths without query that are never refused.
   *
   * @default ['/health', '/health/live', '/health/ready'], those of `@sd/lifecycle`
   */
  readonly healthPaths?: readonly string[]
  /** Further requests that are never refused, such as a path for metrics on the same port. @default none */
  readonly exempt?: (request: RequestHead) => boolean
  /**
   * Delay in `Retry-After` of a refusal for lack of a place, in milliseconds; up to the same time is added at random.
   *
   * @default 1_000
   */
  readonly retryAfterMs?: number
  /**
   * How long the body of an admitted request may pause, in milliseconds, before the request is ended with 408.
   *
   * @default 10_000
   */
  readonly bodyIdleTimeoutMs?: number
  /**
   * Receives errors of the rate limiter and of your functions; the request is admitted then.
   *
   * @default a process warning, at most one per minute
   */
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

/** Options with defaults applied. */
export interface ResolvedServerLimitsOptions
  extends Omit<Required<ServerLimitsOptions>, 'rate' | 'concurrency' | 'streams' | 'trusted' | 'healthPaths'> {
  readonly rate: Required<ServerRateLimit> | undefined
  readonly concurrency: ConcurrencyLimit | undefined
  readonly streams: ConcurrencyLimit | undefined
  readonly trusted: (request: RequestHead) => boolean
  readonly healthPaths: ReadonlySet<string>
  /** Whether requests have priorities. Without them each request may take any place. */
  readonly hasPriorities: boolean
}

/** Validates the options and applies defaults. @throws SdError `SD_INVALID` that names the option */
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

/** The default listener throws, because a guarded listener that fails causes a process warning, at most once per minute. */
function failWith(error: SdError): never {
  throw error
}

/** Default key of a caller: the address, or the /64 network for IPv6. */
function networkOf({ remoteAddress }: RequestHead): string | undefined {
  return remoteAddress === undefined ? undefined : (readIpNetwork(remoteAddress) ?? remoteAddress)
}

function readRate(value: ServerRateLimit): Required<ServerRateLimit> {
  const rate = checkObject('rate', value) as unknown as ServerRateLimit
  if ('acquire' in rate) throw invalidError('rate', 'a limiter', 'the limiter as a property: { limiter }')
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
      throw invalidError(`healthPaths[${index}]`, path, 'a path that begins with a slash')
  }
  return new Set(paths)
}

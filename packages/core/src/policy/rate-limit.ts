import type { OperationOptions } from '../async/operation-options.ts'
import { SdError } from '../errors.ts'
import { escapeName } from '../names.ts'
import { checkName, invalidError } from '../validate.ts'

/** Options of {@link RateLimiter.acquire}. */
export interface RateLimitAcquireOptions extends OperationOptions {
  /** Number of units, an integer from 0 to the limiter's `burst`. 0 only reads the state. @default 1 */
  readonly cost?: number
  /**
   * Whether to wait for the units, in order of arrival, instead of being refused. The wait ends with `SD_REJECTED` if the
   * queue is full or the wait would exceed the limiter's maximum.
   *
   * @default false
   */
  readonly wait?: boolean
}

/** Decision of a limiter about one call. All numbers refer to the call's key. */
export interface RateLimitDecision {
  /** Whether the call may proceed. If not, no units were taken. */
  readonly allowed: boolean
  /** Maximum number of units that can be taken at once: the rule's `burst`. */
  readonly limit: number
  /** Whole units that are available now. */
  readonly remaining: number
  /** Time in which an exhausted limit is fully available again, in milliseconds. */
  readonly windowMs: number
  /** Time until the limit is fully available if no call comes, in milliseconds. */
  readonly resetMs: number
  /** Earliest time at which a refused call should be retried, in milliseconds from now; 0 if it was allowed. */
  readonly retryAfterMs: number
  /**
   * Set if the backend could not be reached: `local` if this process decided alone, `open` if the call was allowed
   * without a check.
   */
  readonly degraded?: 'local' | 'open'
}

/** Limits the rate of an operation, per key. */
export interface RateLimiter extends AsyncDisposable {
  /** Name for logs and metrics. */
  readonly name: string
  /**
   * Takes units from a key's limit. A refused call resolves with `allowed: false` and its numbers; {@link
   * acquireOrReject} throws instead.
   *
   * @param key the unit of limiting: a user, an address, an instance; 1 to 512 characters. {@link rateLimitKey} joins
   * several parts. It never appears in a message.
   * @throws SdError `SD_REJECTED` if the wait would be too long, `SD_CLOSED`, `SD_ABORTED`, `SD_INVALID`, or the error of
   * the backend
   */
  acquire(key: string, options?: RateLimitAcquireOptions): Promise<RateLimitDecision>
  /**
   * Synchronous variant of {@link RateLimiter.acquire}; absent if a backend is involved.
   *
   * @throws SdError `SD_CLOSED`, `SD_INVALID`
   */
  tryAcquire?(key: string, options?: Pick<RateLimitAcquireOptions, 'cost'>): RateLimitDecision
  /** Ends waiting calls and closes the connection, if any. Idempotent and bounded in time. */
  close(): Promise<void>
}

/** Joins parts, such as a service and an instance, into a key. Different parts never give the same key. */
export function rateLimitKey(...parts: readonly [string, ...string[]]): string {
  return parts.map((part, index) => escapeName(checkName(`parts[${index}]`, part))).join('/')
}

/**
 * Like {@link RateLimiter.acquire}, but throws if the call is refused.
 *
 * @throws SdError `SD_REJECTED` if refused, with the decision as `cause`, and the errors of `acquire`
 */
export async function acquireOrReject(
  limiter: RateLimiter,
  key: string,
  options?: RateLimitAcquireOptions,
): Promise<RateLimitDecision> {
  const decision = await limiter.acquire(key, options)
  if (decision.allowed) return decision
  throw new SdError('SD_REJECTED', `${limiter.name}: rate limit exceeded, retry in ${decision.retryAfterMs} ms`, {
    cause: decision,
  })
}

/**
 * Returns header fields that inform a client about its limit, with names in lower case: `RateLimit-Policy` and
 * `RateLimit` of the IETF draft and, if the call was refused, `Retry-After` (RFC 9110). Seconds are rounded up, so that
 * they never promise too much. A call that was allowed without a check has none.
 *
 * @param policy name of the limit, in printable ASCII
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
export function rateLimitHeaders(decision: RateLimitDecision, policy: string = 'default'): Record<string, string> {
  if (!/^[ -~]{1,255}$/.test(policy)) throw invalidError('policy', policy, '1 to 255 characters of printable ASCII')
  if (decision.degraded === 'open') return {}
  const name = `"${policy.replaceAll(/["\\]/g, '\\$&')}"`
  const fields = {
    'ratelimit-policy': `${name};q=${decision.limit};w=${toSeconds(decision.windowMs)}`,
    ratelimit: `${name};r=${decision.remaining};t=${toSeconds(decision.resetMs)}`,
  }
  return decision.allowed ? fields : { ...fields, 'retry-after': String(Math.max(1, toSeconds(decision.retryAfterMs))) }
}

function toSeconds(durationMs: number): number {
  return Math.ceil(durationMs / 1000)
}

import type { OperationOptions } from '../async/operation-options.ts'
import { SdError } from '../errors.ts'
import { escapeName } from '../names.ts'
import { checkName, invalidError } from '../validate.ts'

/** Options of {@link RateLimiter.acquire}. */
export interface RateLimitAcquireOptions extends OperationOptions {
  /** Units that the call takes, a whole number up to the limiter's `burst`; 0 only looks. @default 1 */
  readonly cost?: number
  /**
   * Whether to wait for the units, in the order of arrival, rather than to be refused. Waiting ends with `SD_REJECTED` when too many wait
   * or it would take longer than the limiter allows.
   * @default false
   */
  readonly wait?: boolean
}

/** What a limiter says to one call. All numbers are of the call's key. */
export interface RateLimitDecision {
  /** Whether the call may go on. If not, nothing was taken. */
  readonly allowed: boolean
  /** Most units that can be taken at once: the rule's `burst`. */
  readonly limit: number
  /** Whole units that could be taken now. */
  readonly remaining: number
  /** Time in which a limit that is used up is whole again, in milliseconds. */
  readonly windowMs: number
  /** Time until nothing of the limit is in use, in milliseconds, if no call comes. */
  readonly resetMs: number
  /** Earliest time for a refused call to come again, in milliseconds; 0 if it was allowed. */
  readonly retryAfterMs: number
  /** Set if the backend could not be asked: `local` was decided by this process alone, `open` was allowed unseen. */
  readonly degraded?: 'local' | 'open'
}

/** Limits how often something happens, per key. */
export interface RateLimiter extends AsyncDisposable {
  /** Name for logs and metrics. */
  readonly name: string
  /**
   * Takes units of a key's limit. A refused call is an answer with `allowed: false`, for its numbers; {@link acquireOrReject} throws instead.
   *
   * @param key whatever is limited by itself: a user, an address, an instance; 1 to 512 characters. {@link rateLimitKey} joins several. It is never part of a message
   * @throws SdError `SD_REJECTED` if it may wait but not for so long, `SD_CLOSED`, `SD_ABORTED`, `SD_INVALID`, or what the backend failed with
   */
  acquire(key: string, options?: RateLimitAcquireOptions): Promise<RateLimitDecision>
  /**
   * What {@link RateLimiter.acquire} does, at once; absent where a backend has to be asked.
   *
   * @throws SdError `SD_CLOSED`, `SD_INVALID`
   */
  tryAcquire?(key: string, options?: Pick<RateLimitAcquireOptions, 'cost'>): RateLimitDecision
  /** Ends waiting calls and closes the connection, if there is one. Idempotent and bounded in time. */
  close(): Promise<void>
}

/** The key of several parts, such as a service and an instance: different parts never make the same key. */
export function rateLimitKey(...parts: readonly [string, ...string[]]): string {
  return parts.map((part, index) => escapeName(checkName(`parts[${index}]`, part))).join('/')
}

/**
 * {@link RateLimiter.acquire} for those who want an error instead of an answer.
 *
 * @throws SdError `SD_REJECTED` when refused, with the decision as `cause`, and whatever `acquire` throws
 */
export async function acquireOrReject(
  limiter: RateLimiter,
  key: string,
  options?: RateLimitAcquireOptions,
): Promise<RateLimitDecision> {
  const decision = await limiter.acquire(key, options)
  if (decision.allowed) return decision
  throw new SdError('SD_REJECTED', `${limiter.name}: over the limit, try again in ${decision.retryAfterMs} ms`, {
    cause: decision,
  })
}

/**
 * Header fields that tell a client of its limit, names in lower case: `RateLimit-Policy` and `RateLimit` of the IETF draft, and
 * `Retry-After` (RFC 9110) if it was refused. Seconds are rounded up, so that they never promise too much. A decision that was allowed unseen has none.
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

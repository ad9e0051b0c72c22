import {
  acquireOrReject,
  type CallContext,
  checkBoolean,
  checkFunction,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  invalidError,
  type RateLimiter,
} from '@sd/core'

/** How a rate limiter is asked for calls. */
export interface CallRateLimit {
  /** The limiter. The client does not close it. */
  readonly limiter: RateLimiter
  /**
   * Whether each instance has a limit of its own: one that is over it is skipped, and a call is refused only if all are. Keys are `<key>/<instance id>`. Where a
   * backend has to be asked, as with Redis, each attempt asks it, and an instance that is over is not asked for again before it said. @default 'service'
   */
  readonly scope?: 'service' | 'instance'
  /** What is limited by itself. @default the name of the service */
  readonly key?: (call: CallContext) => string
  /** Units that a call takes. @default 1 */
  readonly cost?: (call: CallContext) => number
  /** Whether a call waits for its units rather than to be refused. @default false */
  readonly wait?: boolean
}

/** Checks the setting. @throws SdError `SD_INVALID` that names the field */
export function checkRateLimitSetting(path: string, setting: CallRateLimit): void {
  checkKnownKeys(path, checkObject(path, setting), ['limiter', 'scope', 'key', 'cost', 'wait'])
  const { limiter, scope, key, cost, wait } = setting
  checkFunction(`${path}.limiter.acquire`, limiter?.acquire)
  if (scope !== undefined) checkOneOf(`${path}.scope`, scope, ['service', 'instance'])
  if (scope === 'instance' && wait) {
    throw invalidError(`${path}.wait`, wait, 'false, because an instance that is over its limit is skipped')
  }
  if (key !== undefined) checkFunction(`${path}.key`, key)
  if (cost !== undefined) checkFunction(`${path}.cost`, cost)
  if (wait !== undefined) checkBoolean(`${path}.wait`, wait)
}

/** Takes a call's units. @throws SdError `SD_REJECTED` with the decision as its cause, or what the limiter throws */
export async function takeUnits({ limiter, key, cost, wait = false }: CallRateLimit, call: CallContext): Promise<void> {
  const signal = wait ? call.signal : undefined
  await acquireOrReject(limiter, key?.(call) ?? call.service, { cost: cost?.(call) ?? 1, wait, signal })
}

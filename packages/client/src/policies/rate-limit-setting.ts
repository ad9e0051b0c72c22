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

/** How calls use a rate limiter. */
export interface CallRateLimit {
  /** The limiter. The client does not close it. */
  readonly limiter: RateLimiter
  /**
   * Whether each instance has its own limit: an instance over its limit is skipped, and a call is rejected only if all
   * are. Keys are `<key>/<instance id>`. With a backend, such as Redis, each attempt queries it; an instance over its
   * limit is not queried again before the time that the backend returned. @default 'service'
   */
  readonly scope?: 'service' | 'instance'
  /** Key of the limit. @default the name of the service */
  readonly key?: (call: CallContext) => string
  /** Units that a call takes. @default 1 */
  readonly cost?: (call: CallContext) => number
  /** Whether a call waits for its units instead of being rejected. @default false */
  readonly wait?: boolean
}

/** Validates the setting. @throws SdError `SD_INVALID` that names the field */
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

/** Takes the units of a call. @throws SdError `SD_REJECTED` with the decision as its cause, or the error of the limiter */
export async function takeUnits({ limiter, key, cost, wait = false }: CallRateLimit, call: CallContext): Promise<void> {
  const signal = wait ? call.signal : undefined
  await acquireOrReject(limiter, key?.(call) ?? call.service, { cost: cost?.(call) ?? 1, wait, signal })
}

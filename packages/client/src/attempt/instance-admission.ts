import { BoundedMap, type CallContext, type Endpoint, type RateLimiter } from '@sd/core'
import type { CallRateLimit } from '../policies/rate-limit-setting.ts'
import type { ServiceEntry } from '../services/service-entry.ts'

/** Calls that one endpoint may always hold: a smaller number says nothing. */
const fewCalls = 4
/** Largest share of a service's places for one of two endpoints. */
const largestShare = 0.5
/** Multiple of an even share of a service's places that one of many endpoints may hold. */
const evenShares = 2

/**
 * Whether an endpoint holds so many places of the service's concurrency limit that calls to the other endpoints would
 * be rejected because this one hangs: twice an even share or half of all, once half of the places are taken. It is then
 * picked only if all endpoints are crowded.
 */
export function isCrowded({ cluster, policies }: ServiceEntry, endpoint: Endpoint): boolean {
  const { concurrencyLimit } = policies
  if (!concurrencyLimit || endpoint.active < fewCalls) return false
  const others = cluster.view.endpoints.length
  const { active, max } = concurrencyLimit.load
  if (others < 2 || active <= max / 2) return false
  return endpoint.active >= Math.max(fewCalls, Math.ceil(max * Math.min(largestShare, evenShares / others)))
}

/** Maximum number of instances whose exceeded limit is remembered; the least recently used is forgotten first. */
const maxOver = 10_000
/** An unused instance is forgotten after this time, in milliseconds. */
const overIdleMs = 600_000
/** By limiter: until when a key is over its limit, by `performance.now()`. A backend need not be queried before. */
const over = new WeakMap<RateLimiter, BoundedMap<string, number>>()

/**
 * Takes a unit of the endpoint's own rate limit, if the limiter decides synchronously. For a limiter with a backend it
 * only checks whether the endpoint is known to be over its limit: {@link requestInstanceUnit} takes the unit. @returns
 * whether the endpoint may be called
 */
export function takeInstanceUnit(entry: ServiceEntry, call: CallContext, endpoint: Endpoint): boolean {
  const setting = entry.policies.instanceRateLimit
  if (!setting) return true
  const { limiter } = setting
  const key = unitKey(setting, entry, call, endpoint)
  if (!limiter.tryAcquire) return performance.now() >= (over.get(limiter)?.get(key) ?? 0)
  return limiter.tryAcquire(key, { cost: setting.cost?.(call) ?? 1 }).allowed
}

/** Whether the backend of a rate limit must be queried for each endpoint. */
export function needsUnitRequest({ policies }: ServiceEntry): boolean {
  return policies.instanceRateLimit !== undefined && !policies.instanceRateLimit.limiter.tryAcquire
}

/**
 * Requests a unit of the endpoint's own rate limit. @returns whether the endpoint may be called @throws SdError the
 * error of the limiter
 */
export async function requestInstanceUnit(
  entry: ServiceEntry,
  call: CallContext,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<boolean> {
  const setting = entry.policies.instanceRateLimit
  if (!setting) return true
  const { limiter } = setting
  const key = unitKey(setting, entry, call, endpoint)
  const { allowed, retryAfterMs } = await limiter.acquire(key, { cost: setting.cost?.(call) ?? 1, signal })
  if (allowed) return true
  const until = over.get(limiter) ?? new BoundedMap<string, number>({ maxEntries: maxOver, idleMs: overIdleMs })
  over.set(limiter, until)
  until.set(key, performance.now() + retryAfterMs)
  return false
}

function unitKey(
  { key }: CallRateLimit,
  { service, operation }: ServiceEntry,
  call: CallContext,
  { instance }: Endpoint,
): string {
  return `${key?.(call) ?? (operation ? `${service} ${operation}` : service)}/${instance.id}`
}

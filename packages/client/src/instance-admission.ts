import type { CallContext, Endpoint } from '@sd/core'
import type { ServiceEntry } from './service-entries.ts'

/** Calls that one endpoint may always have under way: fewer say nothing. */
const fewCalls = 4
/** Most of a service's places that one of two endpoints may hold. */
const largestShare = 0.5
/** How many times an even share of a service's places one of many endpoints may hold. */
const evenShares = 2

/**
 * Whether an endpoint holds so many places of the service's concurrency limit that calls to the others would be refused because this one hangs: twice an
 * even share or half of all, once half of the places are taken. It is then picked only if all are like that.
 */
export function isCrowded({ cluster, policies }: ServiceEntry, endpoint: Endpoint): boolean {
  const { concurrencyLimit } = policies
  if (!concurrencyLimit || endpoint.active < fewCalls) return false
  const others = cluster.view.endpoints.length
  const { active, max } = concurrencyLimit.load
  if (others < 2 || active <= max / 2) return false
  return endpoint.active >= Math.max(fewCalls, Math.ceil(max * Math.min(largestShare, evenShares / others)))
}

/** Takes a unit of the endpoint's own rate limit, where there is one. @returns whether the endpoint may be called */
export function takeInstanceUnit({ policies, service, operation }: ServiceEntry, call: CallContext, endpoint: Endpoint): boolean {
  const setting = policies.instanceRateLimit
  if (!setting?.limiter.tryAcquire) return true
  const key = setting.key?.(call) ?? (operation ? `${service} ${operation}` : service)
  return setting.limiter.tryAcquire(`${key}/${endpoint.instance.id}`, { cost: setting.cost?.(call) ?? 1 }).allowed
}

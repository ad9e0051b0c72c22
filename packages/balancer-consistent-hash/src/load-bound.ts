import type { Endpoint, EndpointView } from '@sd/core'

/** Decides which endpoints may get another request. */
export interface LoadBound {
  /** Whether the endpoint at `index` is under its bound. */
  hasRoom(index: number): boolean
  /** Notifies of a change of an endpoint's number of active requests. */
  changed(endpoint: Endpoint): void
}

/**
 * An endpoint has room while its active requests, including the new one, are at most `loadFactor` times its share by weight
 * of all active ones, rounded up. The total is updated on each change, not computed at each pick.
 */
export function createLoadBound(view: EndpointView, loadFactor: number): LoadBound {
  const { endpoints, weights } = view
  const indices = new Map(endpoints.map((endpoint, index) => [endpoint, index]))
  const lastActive = Float64Array.from(endpoints, ({ active }) => active)
  const totalWeight = weights.reduce((sum, weight) => sum + weight, 0)
  let totalActive = lastActive.reduce((sum, active) => sum + active, 0)
  return {
    hasRoom(index) {
      const share = (weights[index] as number) / totalWeight
      return (lastActive[index] as number) < Math.ceil(loadFactor * share * (totalActive + 1))
    },
    changed(endpoint) {
      const index = indices.get(endpoint)
      if (index === undefined) return
      totalActive += endpoint.active - (lastActive[index] as number)
      lastActive[index] = endpoint.active
    },
  }
}

import { createEndpoint, type Endpoint, type EndpointOptions, endpointKey, type ServiceInstance } from '@sd/core'

/** The endpoints of one service. They survive snapshots by id, address and port, and with them load and latency. */
export interface EndpointSet {
  /** The endpoints of the last snapshot, in its order. */
  readonly endpoints: readonly Endpoint[]
  /** Takes a new list over: endpoints that are gone can't be picked from now on. */
  replace(instances: readonly ServiceInstance[]): void
}

/** An empty set. @param onChange called when load or availability of an endpoint changed */
export function createEndpointSet(onChange: NonNullable<EndpointOptions['onChange']>): EndpointSet {
  const options = { onChange }
  let byKey = new Map<string, Endpoint>()
  let endpoints: readonly Endpoint[] = []
  return {
    get endpoints() {
      return endpoints
    },
    replace(instances) {
      const next = new Map<string, Endpoint>()
      for (const instance of instances) {
        const key = endpointKey(instance)
        const known = byKey.get(key)
        if (known && known.instance !== instance) known.update(instance)
        next.set(key, known ?? createEndpoint(instance, options))
        byKey.delete(key)
      }
      for (const gone of byKey.values()) gone.block('removed')
      byKey = next
      endpoints = [...next.values()]
    },
  }
}

import { createEndpoint, type Endpoint, type EndpointOptions, endpointKey, type ServiceInstance } from '@sd/core'

/** The endpoints of one service. They survive snapshots by id, address and port, and with them load and latency. */
export class EndpointSet {
  /** The endpoints of the last snapshot, in its order. */
  endpoints: readonly Endpoint[] = []
  readonly #options: EndpointOptions
  #byKey = new Map<string, Endpoint>()

  readonly #onRemoved: (endpoint: Endpoint) => void

  /** @param options what every endpoint is made with; `onRemoved` is told of those that are not listed any more */
  constructor({ onRemoved, ...options }: EndpointOptions & { readonly onRemoved: (endpoint: Endpoint) => void }) {
    this.#options = options
    this.#onRemoved = onRemoved
  }

  /** Takes a new list over: endpoints that are gone can't be picked from now on. */
  replace(instances: readonly ServiceInstance[]): void {
    const before = this.#byKey
    const next = new Map<string, Endpoint>()
    for (const instance of instances) {
      const key = endpointKey(instance)
      const known = before.get(key)
      if (known && known.instance !== instance) known.update(instance)
      next.set(key, known ?? createEndpoint(instance, this.#options))
      before.delete(key)
    }
    for (const gone of before.values()) {
      gone.block('removed', { reason: 'removed' })
      this.#onRemoved(gone)
    }
    this.#byKey = next
    this.endpoints = [...next.values()]
  }
}

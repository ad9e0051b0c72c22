import { createEndpoint, type Endpoint, endpointKey, type ServiceInstance } from '@sd/core'

type EndpointOptions = NonNullable<Parameters<typeof createEndpoint>[1]>

/** The endpoints of one service. An endpoint survives snapshots by id, address and port, and keeps its load and latency. */
export class EndpointSet {
  /** The endpoints of the last snapshot, in the same order. */
  endpoints: readonly Endpoint[] = []
  readonly #options: EndpointOptions
  #byKey = new Map<string, Endpoint>()

  readonly #onRemoved: (endpoint: Endpoint) => void

  /** @param options options of every endpoint; `onRemoved` receives the endpoints that are no longer listed */
  constructor({ onRemoved, ...options }: EndpointOptions & { readonly onRemoved: (endpoint: Endpoint) => void }) {
    this.#options = options
    this.#onRemoved = onRemoved
  }

  /** Applies a new list. Endpoints that are not in it can no longer be picked. */
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
    for (const removed of before.values()) {
      removed.block('removed', { reason: 'removed' })
      this.#onRemoved(removed)
    }
    this.#byKey = next
    this.endpoints = [...next.values()]
  }
}

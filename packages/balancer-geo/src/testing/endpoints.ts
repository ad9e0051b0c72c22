import { createEndpoint, createServiceInstance, type Endpoint, type EndpointView, type InstanceSpec } from '@sd/core'

/** One endpoint per spec, with unique ids and addresses. */
export function createEndpoints(specs: readonly Partial<InstanceSpec>[]): Endpoint[] {
  return specs.map((spec, index) =>
    createEndpoint(
      createServiceInstance({ service: 'orders', id: `orders-${index}`, address: `10.3.0.${index}`, port: 80, ...spec }),
    ),
  )
}

/** A view of the endpoints for which `isHealthy` returns true; weights are those of the instances. */
export function createHealthView(candidates: readonly Endpoint[], isHealthy: (endpoint: Endpoint) => boolean): EndpointView {
  const endpoints = candidates.filter(isHealthy)
  return { endpoints, weights: Float64Array.from(endpoints, ({ instance }) => instance.weight), epoch: 1, candidates }
}

/** Numbers spread evenly from 0 to 1, `count` of them, repeated: shares are exact. */
export function sweep(count: number): () => number {
  let next = 0
  return () => ((next++ % count) + 0.5) / count
}

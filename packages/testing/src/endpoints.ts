import { createEndpoint, createServiceInstance, type Endpoint, type EndpointView, type Picker } from '@sd/core'

/** Creates test endpoints of one service with the given weights. */
export function createTestEndpoints(weights: readonly number[], service: string = 'orders'): Endpoint[] {
  return weights.map((weight, index) =>
    createEndpoint(
      createServiceInstance({
        service,
        id: `${service}-${index}`,
        address: `10.2.${index >> 8}.${index & 255}`,
        port: 80,
        weight,
      }),
    ),
  )
}

let lastEpoch = 0

/** Creates a view of endpoints, by default with the weights of their instances. */
export function createTestView(endpoints: readonly Endpoint[], weights?: readonly number[]): EndpointView {
  return {
    endpoints,
    weights: Float64Array.from(weights ?? endpoints.map(({ instance }) => instance.weight)),
    epoch: ++lastEpoch,
  }
}

/** Starts an attempt and notifies the picker, as a cluster does. */
export function acquire(endpoint: Endpoint, picker: Picker): void {
  endpoint.acquire()
  picker.changed?.(endpoint)
}

/** Ends an attempt and notifies the picker, as a cluster does. */
export function release(endpoint: Endpoint, picker: Picker): void {
  endpoint.release({ ok: true, latencyMs: 1 })
  picker.changed?.(endpoint)
}

import type { HeaderFields } from '../call/call.ts'
import type { Endpoint } from './endpoint.ts'

/** The endpoints a picker chooses from, with their effective weights. Immutable. */
export interface EndpointView {
  readonly endpoints: readonly Endpoint[]
  /** Effective weight of each endpoint, in the same order. An endpoint with weight 0 gets no traffic. */
  readonly weights: Float64Array
  /** Increases with every view of a cluster. */
  readonly epoch: number
  /**
   * All endpoints the view was built from, including those that are out. Spill-over balancers compute the available share
   * from it.
   *
   * @default `endpoints`
   */
  readonly candidates?: readonly Endpoint[]
}

/** The part of a request that a picker can use. The client passes its own call object, so a pick allocates nothing. */
export interface PickRequest {
  /** Endpoints that this call has already tried. They are not picked again. */
  readonly attempted?: readonly Endpoint[] | undefined
  /** The key for consistent hashing, such as a user id. */
  readonly hashKey?: string | undefined
  /**
   * Whether the request may be sent again if it fails. Trials of an unreachable endpoint are reserved for such requests
   * where they are frequent enough. @default true
   */
  readonly repeatable?: boolean | undefined
  /** Whether this pick only checks if an endpoint is available, without an attempt. @default false */
  readonly isProbe?: boolean | undefined
}

/** Picks one endpoint per request. */
export interface Picker {
  /** Returns an available endpoint with a positive weight that was not attempted, or `undefined`. */
  pick(request: PickRequest): Endpoint | undefined
  /** Called when `active` or `available` of an endpoint changed. Pickers implement it if they keep state that depends on them. */
  changed?(endpoint: Endpoint): void
  /**
   * Called with the head of every response. Pickers implement it if they learn from headers, such as a cookie that starts
   * a session. It is on the request path: it must be fast and must not throw.
   */
  responded?(endpoint: Endpoint, headers: HeaderFields): void
}

/** A load-balancing algorithm. */
export interface Balancer {
  /** Name for logs and metrics, such as `round-robin`. */
  readonly name: string
  /**
   * Builds a picker for a view.
   *
   * @param previous the previous picker of the same balancer, so that a rotation continues and a ring is updated
   * incrementally
   */
  createPicker(view: EndpointView, previous?: Picker): Picker
}

/** Whether the endpoint at `index` may be picked for the request. */
export function isPickable(view: EndpointView, index: number, request: PickRequest): boolean {
  const endpoint = view.endpoints[index]
  return (
    endpoint?.available === true &&
    (view.weights[index] as number) > 0 &&
    (request.attempted === undefined || !request.attempted.includes(endpoint))
  )
}

/**
 * Returns the first endpoint that may be picked, starting at `start` and wrapping around, or `undefined`. Pickers fall
 * back to it when their first choice is not available.
 */
export function scanPickable(view: EndpointView, start: number, request: PickRequest): Endpoint | undefined {
  const { length } = view.endpoints
  for (let step = 0; step < length; step++) {
    const index = (start + step) % length
    if (isPickable(view, index, request)) return view.endpoints[index]
  }
  return undefined
}

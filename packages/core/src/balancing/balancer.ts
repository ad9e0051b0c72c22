import type { HeaderFields } from '../call/call.ts'
import type { Endpoint } from './endpoint.ts'

/** What a picker chooses from: the endpoints that may get traffic and their effective weights. Not changed after it was made. */
export interface EndpointView {
  /** The endpoints. */
  readonly endpoints: readonly Endpoint[]
  /** Effective weight per endpoint, same order; 0 gets no traffic. */
  readonly weights: Float64Array
  /** Grows with every view of one cluster. */
  readonly epoch: number
  /**
   * All endpoints of which the view was made, those that are out included: for balancers that spill over by the share that is in.
   *
   * @default `endpoints`
   */
  readonly candidates?: readonly Endpoint[]
}

/** What a picker may know of the request. The client passes its own call object: a pick allocates nothing. */
export interface PickRequest {
  /** Endpoints that this call has tried already; they are not picked again. */
  readonly attempted?: readonly Endpoint[] | undefined
  /** What consistent hashing hashes, such as a user id. */
  readonly hashKey?: string | undefined
  /**
   * Whether the request may be sent again if it fails. A trial of an endpoint that could not be reached is left to such a request, where
   * one comes soon. @default true
   */
  readonly repeatable?: boolean | undefined
  /** Whether it is only asked if there is any: what is picked is not attempted. @default false */
  readonly isProbe?: boolean | undefined
}

/** Picks one endpoint per request. */
export interface Picker {
  /** An available endpoint of positive weight that was not attempted, or `undefined` if there is none. */
  pick(request: PickRequest): Endpoint | undefined
  /** Told when an endpoint's `active` or `available` changed, where the picker keeps something that depends on it. */
  changed?(endpoint: Endpoint): void
  /**
   * Told of the head of every response, where the picker learns from it, such as the cookie that begins a session. On the request path: it must be
   * quick, and must not throw.
   */
  answered?(endpoint: Endpoint, headers: HeaderFields): void
}

/** A load-balancing algorithm. */
export interface Balancer {
  /** Name for logs and metrics, such as `round-robin`. */
  readonly name: string
  /**
   * Builds a picker for a view.
   *
   * @param previous the picker before, made by the same balancer, so that a rotation carries on and a ring is changed incrementally
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
 * The first endpoint that may be picked, from `start` on and around: what a picker falls back to when its first choice is not
 * available. `undefined` if there is none.
 */
export function scanPickable(view: EndpointView, start: number, request: PickRequest): Endpoint | undefined {
  const { length } = view.endpoints
  for (let step = 0; step < length; step++) {
    const index = (start + step) % length
    if (isPickable(view, index, request)) return view.endpoints[index]
  }
  return undefined
}

import {
  type AttachedBalancer,
  type Balancer,
  type Cluster,
  type ClusterSource,
  type Endpoint,
  type EndpointView,
  toSdError,
} from '@sd/core'
import { EndpointConnection } from './endpoint-connection.ts'
import type { GrpcCall } from './grpc-call.ts'
import { type ChannelControl, type ChannelPolicy, connectivity, type PickDecision, type PickedCall } from './grpc-js.ts'
import { PinnedAttempt } from './pinned-attempt.ts'

/** Maximum number of unconnected endpoints that one pick connects to before it uses any endpoint with a connection. */
const maxTries = 4

/** Input of a {@link ServiceChannel}. */
export interface ServiceChannelInit {
  /** Name of the service. */
  readonly service: string
  /** Source of its cluster. */
  readonly discovery: ClusterSource
  /** Picks endpoints. */
  readonly balancer: Balancer
  /** The channel of grpc-js. */
  readonly control: ChannelControl
  /** Called when there is a connection, and after the instances may have changed. */
  readonly onChange: () => void
  /** Called after it was closed. */
  readonly onClose: () => void
  /** Why no call is possible, if so. */
  readonly refusal: string | undefined
}

/** Endpoints that a call, or a pick without a call, has tried. */
type Tried = Pick<GrpcCall, 'attempted' | 'hashKey'>

type Refusal = Exclude<PickDecision, { readonly kind: 'complete' }>

const waiting: Refusal = { kind: 'queue' }

/** Balances the calls of one channel. The balancer picks among all endpoints of the cluster's view. An endpoint gets
 * its connection when it is first picked; until then, calls go to endpoints that have one.
 */
export class ServiceChannel implements ChannelPolicy {
  readonly #init: ServiceChannelInit
  readonly #connections = new Map<Endpoint, EndpointConnection>()
  readonly #lookup = new AbortController()
  #cluster: Cluster | undefined
  #attached: AttachedBalancer | undefined
  /** The view that the connections were last compared with. */
  #view: EndpointView | undefined
  /** Why the first list of instances is not known, once the wait for it has failed. */
  #lookupFailure: string | undefined
  /** Why no further call is possible. */
  #refusal: string | undefined
  #leave: (() => void) | undefined

  constructor(init: ServiceChannelInit) {
    this.#init = init
    this.#refusal = init.refusal
  }

  start(): void {
    if (this.#refusal === undefined) this.#join()
    this.#publish()
  }

  pick(call: PickedCall): PickDecision {
    if (call.isOver) return { kind: 'drop', details: 'the call has ended' }
    if (call instanceof PinnedAttempt) return this.#pickPinned(call)
    if (this.#refusal !== undefined) return { kind: 'drop', details: this.#refusal }
    const choice = this.#choose(call)
    if (choice instanceof EndpointConnection) {
      return { kind: 'complete', subchannel: choice.subchannel, attempt: call.begin(choice.endpoint) }
    }
    return choice
  }

  resetBackoff(): void {
    for (const connection of this.#connections.values()) connection.resetBackoff()
  }

  /** Rejects waiting and further calls; calls in progress continue. */
  refuse(reason: string): void {
    this.#refusal = reason
    this.#releaseAll()
    this.#publish()
  }

  close(): void {
    this.#refusal ??= 'the channel was closed'
    this.#releaseAll()
    this.#init.onClose()
  }

  #join(): void {
    const { service, discovery, balancer } = this.#init
    try {
      this.#cluster = discovery.cluster(service)
      this.#attached = this.#cluster.attach(balancer)
      this.#leave = this.#cluster.onChange(() => this.#followCluster())
      void this.#lookUp(this.#cluster)
    } catch (error) {
      this.#refusal = toSdError(error, 'SD_UNAVAILABLE', `Finding ${service}`).message
    }
  }

  /** Waiting calls pick again. */
  #followCluster(): void {
    if (this.#cluster?.isClosed && this.#refusal === undefined) {
      this.#leaveCluster()
      this.#join()
    }
    this.#publish()
    this.#init.onChange()
  }

  #leaveCluster(): void {
    this.#leave?.()
    this.#attached?.detach()
  }

  #releaseAll(): void {
    this.#lookup.abort()
    this.#leaveCluster()
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
  }

  async #lookUp(cluster: Cluster): Promise<void> {
    try {
      await cluster.ready({ signal: this.#lookup.signal })
    } catch (error) {
      this.#lookupFailure = toSdError(error, 'SD_UNAVAILABLE', 'The lookup').message
    }
    if (this.#refusal === undefined) this.#publish()
  }

  /** Publishes the channel's state; waiting calls pick again. */
  #publish(): void {
    const { control } = this.#init
    const state = this.#look()
    if (state instanceof EndpointConnection) {
      control.publish(connectivity.ready)
      this.#init.onChange()
    } else if (state.kind === 'queue') control.publish(connectivity.connecting)
    else control.publish(connectivity.transientFailure, state.details)
  }

  /** Any connection that is ready; without one it begins to connect. */
  #look(): EndpointConnection | Refusal {
    if (this.#refusal !== undefined) return { kind: 'drop', details: this.#refusal }
    this.#follow()
    const ready = [...this.#connections.values()].find(({ isReady }) => isReady)
    if (ready) return ready
    return this.#choose({ attempted: [], hashKey: undefined })
  }

  /** Releases connections to endpoints that are no longer in the view. */
  #follow(): void {
    const view = this.#cluster?.view
    if (view === this.#view) return
    this.#view = view
    const kept = new Set(view?.endpoints)
    for (const [endpoint, connection] of this.#connections) {
      if (kept.has(endpoint)) continue
      this.#connections.delete(endpoint)
      connection.close()
    }
  }

  #choose(tried: Tried): EndpointConnection | Refusal {
    const { service } = this.#init
    if (!this.#cluster?.snapshot) {
      if (this.#lookupFailure === undefined) return waiting
      return { kind: 'fail', details: `The instances of ${service} are not known: ${this.#lookupFailure}` }
    }
    this.#follow()
    const { attempted } = tried
    const earlier = attempted.length
    const choice = this.#pickConnected(tried)
    attempted.length = earlier
    if (choice instanceof EndpointConnection || choice === waiting || earlier === 0) return choice
    // The previous attempts have tried all endpoints: start over.
    attempted.length = 0
    return this.#choose(tried)
  }

  /** The policies of a client picked the endpoint and decide when it is tried, so the backoff of grpc-js is skipped. */
  #pickPinned(attempt: PinnedAttempt): PickDecision {
    if (this.#refusal !== undefined) {
      attempt.refusal = this.#refusal
      return { kind: 'drop', details: this.#refusal }
    }
    const connection = this.#connectionTo(attempt.endpoint)
    connection.isCountedByAttempts = true
    if (connection.isReady) return { kind: 'complete', subchannel: connection.subchannel, attempt }
    if (attempt.failuresBefore === undefined) {
      attempt.failuresBefore = connection.failures
      if (connection.hasFailed) connection.retryNow()
    }
    if (connection.failures === attempt.failuresBefore && !connection.isLate) return waiting
    attempt.failure = connection.failure ?? 'the connection failed'
    return { kind: 'drop', details: attempt.failure }
  }

  /** Adds the endpoints that it tries to `tried.attempted`. */
  #pickConnected(tried: Tried): EndpointConnection | Refusal {
    const { service } = this.#init
    const earlier = tried.attempted.length
    let refusal: Refusal = { kind: 'fail', details: `No instance of ${service} may get traffic` }
    for (let tries = 0; tries < maxTries; tries++) {
      const endpoint = this.#attached?.pick(tried)
      if (!endpoint) break
      const connection = this.#connectionTo(endpoint)
      if (connection.isReady) return connection
      if (connection.failure === undefined) {
        refusal = waiting
        // A call with a key waits for its own endpoint, and goes elsewhere only if that can't be reached.
        if (tried.hashKey !== undefined) return waiting
      } else if (refusal !== waiting) {
        refusal = { kind: 'fail', details: `No instance of ${service} can be reached: ${connection.failure}` }
      }
      tried.attempted.push(endpoint)
    }
    return this.#anyConnected(tried.attempted.slice(0, earlier)) ?? refusal
  }

  #connectionTo(endpoint: Endpoint): EndpointConnection {
    const known = this.#connections.get(endpoint)
    if (known) {
      known.connect()
      return known
    }
    const { address: host, port } = endpoint.instance
    const made = new EndpointConnection(endpoint, this.#init.control.createSubchannel({ host, port }), () => this.#publish())
    this.#connections.set(endpoint, made)
    return made
  }

  /** A random endpoint that has a connection. */
  #anyConnected(attempted: readonly Endpoint[]): EndpointConnection | undefined {
    const ready = [...this.#connections.values()].filter(
      ({ isReady, endpoint }) => isReady && endpoint.available && endpoint.instance.weight > 0 && !attempted.includes(endpoint),
    )
    return ready[Math.floor(Math.random() * ready.length)]
  }
}

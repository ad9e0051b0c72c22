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

/** Endpoints without a connection that one pick gets to know, and connects to, before it takes any that has one. */
const maxTries = 4

/** What a {@link ServiceChannel} is made of. */
export interface ServiceChannelInit {
  /** Name of the service. */
  readonly service: string
  /** Where its cluster is found. */
  readonly discovery: ClusterSource
  /** Chooses endpoints. */
  readonly balancer: Balancer
  /** The channel of grpc-js. */
  readonly control: ChannelControl
  /** Called when there is a connection, and when there may be other instances. */
  readonly onChange: () => void
  /** Called once it is closed. */
  readonly onClose: () => void
  /** Why no call can be made, if none can. */
  readonly refusal: string | undefined
}

/** What a call, or a look without a call, has tried. */
type Tried = Pick<GrpcCall, 'attempted' | 'hashKey'>

type Refusal = Exclude<PickDecision, { readonly kind: 'complete' }>

const waiting: Refusal = { kind: 'queue' }

/**
 * Balances the calls of one channel: the balancer picks among all endpoints of the cluster's view, and an endpoint gets its connection
 * when it is picked for the first time. Until that is made, calls go to those that have one.
 */
export class ServiceChannel implements ChannelPolicy {
  readonly #init: ServiceChannelInit
  readonly #connections = new Map<Endpoint, EndpointConnection>()
  readonly #lookup = new AbortController()
  #cluster: Cluster | undefined
  #attached: AttachedBalancer | undefined
  /** The view that the connections were last compared with. */
  #view: EndpointView | undefined
  /** Why the first list of instances is not known, once that was waited for. */
  #lookupFailure: string | undefined
  /** Why no call can be made any more. */
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

  /** Refuses all further calls, those that wait included; calls under way go on. */
  refuse(reason: string): void {
    this.#refusal = reason
    this.#letGo()
    this.#publish()
  }

  close(): void {
    this.#refusal ??= 'the channel was closed'
    this.#letGo()
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

  /** Calls that wait pick again. */
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

  #letGo(): void {
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

  /** Tells the channel how it is; calls that wait pick again. */
  #publish(): void {
    const { control } = this.#init
    const state = this.#look()
    if (state instanceof EndpointConnection) {
      control.publish(connectivity.ready)
      this.#init.onChange()
    } else if (state.kind === 'queue') control.publish(connectivity.connecting)
    else control.publish(connectivity.transientFailure, state.details)
  }

  /** A connection if there is one, whatever it may be used for; without any it begins to connect. */
  #look(): EndpointConnection | Refusal {
    if (this.#refusal !== undefined) return { kind: 'drop', details: this.#refusal }
    this.#follow()
    const ready = [...this.#connections.values()].find(({ isReady }) => isReady)
    if (ready) return ready
    return this.#choose({ attempted: [], hashKey: undefined })
  }

  /** Lets go of connections to endpoints that have left the view. */
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
    // The attempts before have tried all that there are: again any.
    attempted.length = 0
    return this.#choose(tried)
  }

  /** The policies of a client have picked the endpoint, and decide when it is tried: a backoff of grpc-js would only delay them. */
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

  /** Leaves behind in `tried.attempted` what it has tried. */
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

  /** One of the endpoints that have a connection, at random. */
  #anyConnected(attempted: readonly Endpoint[]): EndpointConnection | undefined {
    const ready = [...this.#connections.values()].filter(
      ({ isReady, endpoint }) => isReady && endpoint.available && endpoint.instance.weight > 0 && !attempted.includes(endpoint),
    )
    return ready[Math.floor(Math.random() * ready.length)]
  }
}

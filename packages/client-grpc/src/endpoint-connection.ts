import { type Endpoint, SdError } from '@sd/core'
import { connectivity, type Subchannel, type SubchannelListener } from './grpc-js.ts'

/** How long a connection may take before calls no longer wait for it, in milliseconds: grpc-js itself leaves that to the operating system. */
const patienceMs = 5_000

/** The connection of one channel to one endpoint. It is made when the endpoint is picked for the first time. */
export class EndpointConnection {
  readonly endpoint: Endpoint
  readonly subchannel: Subchannel
  readonly #onChange: () => void
  #failure: string | undefined
  /** Since when it has been connecting for the first time, or for the first time after it was lost. */
  #connectingSince: number | undefined

  /** @param onChange called when the connection was made, was lost or can't be made */
  constructor(endpoint: Endpoint, subchannel: Subchannel, onChange: () => void) {
    this.endpoint = endpoint
    this.subchannel = subchannel
    this.#onChange = onChange
    subchannel.ref()
    subchannel.addConnectivityStateListener(this.#listener)
    // grpc-js keeps subchannels for a while. If the instance was away, its backoff has grown up to two minutes; now the registry has it.
    this.resetBackoff()
    this.connect()
  }

  /** Whether calls can be sent. */
  get isReady(): boolean {
    return this.subchannel.getConnectivityState() === connectivity.ready
  }

  /** Why calls should not wait for it; absent until a first try failed, and while there is a connection. */
  get failure(): string | undefined {
    if (this.#failure !== undefined || this.#connectingSince === undefined) return this.#failure
    return performance.now() - this.#connectingSince > patienceMs ? `not connected after ${patienceMs} ms` : undefined
  }

  /** Connects, if it is not connected: now, or after the backoff. */
  connect(): void {
    const state = this.subchannel.getConnectivityState()
    if (state === connectivity.ready) return
    this.#connectingSince ??= performance.now()
    if (state !== connectivity.connecting) this.subchannel.startConnecting()
  }

  /** Ends the wait before the next try. */
  resetBackoff(): void {
    this.subchannel.getRealSubchannel().resetBackoff()
  }

  /** Lets go of the connection; calls under way go on. */
  close(): void {
    this.subchannel.removeConnectivityStateListener(this.#listener)
    this.subchannel.unref()
  }

  readonly #listener: SubchannelListener = (_subchannel, _previous, state, _keepaliveTimeMs, errorMessage) => {
    if (state === connectivity.ready) {
      this.#failure = undefined
      this.#connectingSince = undefined
    }
    if (state === connectivity.transientFailure) this.#fail(errorMessage ?? 'the connection failed')
    if (state !== connectivity.connecting) this.#onChange()
  }

  /** A connection that can't be made counts as a failed attempt, so that outlier detection sees it. */
  #fail(reason: string): void {
    this.#failure = reason
    const { service, id } = this.endpoint.instance
    this.endpoint.acquire()
    this.endpoint.release({
      ok: false,
      error: new SdError('SD_UNAVAILABLE', `Connecting to ${service} (${id}) failed: ${reason}`),
    })
  }
}

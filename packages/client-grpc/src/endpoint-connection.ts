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
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Connections that could not be made. */
  failures = 0
  /** Whether the attempts that wait for it count themselves: a connection that can't be made is then nothing beside. */
  isCountedByAttempts = false

  /** @param onChange called when the connection was made, was lost, can't be made, or takes so long that it is not waited for */
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
    return this.#failure ?? (this.isLate ? `not connected after ${patienceMs} ms` : undefined)
  }

  /** Whether the last try to connect failed. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Whether it has been connecting for so long that calls should not wait for it. */
  get isLate(): boolean {
    return this.#connectingSince !== undefined && performance.now() - this.#connectingSince > patienceMs
  }

  /** Connects, if it is not connected: now, or after the backoff. */
  connect(): void {
    const state = this.subchannel.getConnectivityState()
    if (state === connectivity.ready) return
    if (this.#connectingSince === undefined) {
      this.#connectingSince = performance.now()
      // A little later, so that the time is over by any clock.
      this.#timer = setTimeout(this.#onChange, patienceMs + 10)
      this.#timer.unref()
    }
    if (state !== connectivity.connecting) this.subchannel.startConnecting()
  }

  /** Ends the wait before the next try. */
  resetBackoff(): void {
    this.subchannel.getRealSubchannel().resetBackoff()
  }

  /** Connects at once, whatever backoff grpc-js has for its address; calls wait for it again. */
  retryNow(): void {
    this.#forgetTime()
    this.resetBackoff()
    this.connect()
  }

  /** Lets go of the connection; calls under way go on. */
  close(): void {
    clearTimeout(this.#timer)
    this.subchannel.removeConnectivityStateListener(this.#listener)
    this.subchannel.unref()
  }

  readonly #listener: SubchannelListener = (_subchannel, _previous, state, _keepaliveTimeMs, errorMessage) => {
    if (state === connectivity.ready) {
      this.#failure = undefined
      this.#forgetTime()
    }
    if (state === connectivity.transientFailure) this.#fail(errorMessage ?? 'the connection failed')
    if (state !== connectivity.connecting) this.#onChange()
  }

  #forgetTime(): void {
    this.#connectingSince = undefined
    clearTimeout(this.#timer)
  }

  /** A connection that can't be made counts as a failed attempt, so that outlier detection sees it. */
  #fail(reason: string): void {
    this.#failure = reason
    this.failures++
    if (this.isCountedByAttempts) return
    const { service, id } = this.endpoint.instance
    this.endpoint.acquire()
    this.endpoint.release({
      ok: false,
      error: new SdError('SD_UNAVAILABLE', `Connecting to ${service} (${id}) failed: ${reason}`),
    })
  }
}

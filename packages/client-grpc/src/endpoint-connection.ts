import { type Endpoint, SdError } from '@sd/core'
import { connectivity, type Subchannel, type SubchannelListener } from './grpc-js.ts'

/**
 * Time after which calls no longer wait for a connection, in milliseconds: grpc-js itself leaves that to the operating
 * system.
 */
const patienceMs = 5_000

/** The connection of one channel to one endpoint, made when the endpoint is first picked. */
export class EndpointConnection {
  readonly endpoint: Endpoint
  readonly subchannel: Subchannel
  readonly #onChange: () => void
  #failure: string | undefined
  /** Start of the first connection attempt, or of the first one after a disconnect. */
  #connectingSince: number | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Number of failed connection attempts. */
  failures = 0
  /** Whether the waiting attempts count the failure themselves: then a failed connection is not counted in addition. */
  isCountedByAttempts = false

  /** @param onChange called when the connection was made, was closed, failed, or takes too long to be waited for */
  constructor(endpoint: Endpoint, subchannel: Subchannel, onChange: () => void) {
    this.endpoint = endpoint
    this.subchannel = subchannel
    this.#onChange = onChange
    subchannel.ref()
    subchannel.addConnectivityStateListener(this.#listener)
    // grpc-js keeps subchannels for a while. If the instance was unreachable its backoff may be up to two minutes; now
    // it is listed again.
    this.resetBackoff()
    this.connect()
  }

  /** Whether calls can be sent. */
  get isReady(): boolean {
    return this.subchannel.getConnectivityState() === connectivity.ready
  }

  /** The reason why calls should not wait for it; absent until a first attempt failed, and while there is a connection. */
  get failure(): string | undefined {
    return this.#failure ?? (this.isLate ? `not connected after ${patienceMs} ms` : undefined)
  }

  /** Whether the last connection attempt failed. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Whether connecting takes so long that calls should not wait for it. */
  get isLate(): boolean {
    return this.#connectingSince !== undefined && performance.now() - this.#connectingSince > patienceMs
  }

  /** Connects if necessary: now, or after the backoff. */
  connect(): void {
    const state = this.subchannel.getConnectivityState()
    if (state === connectivity.ready) return
    if (this.#connectingSince === undefined) {
      this.#connectingSince = performance.now()
      // Slightly later, so that the time is over by any clock.
      this.#timer = setTimeout(this.#onChange, patienceMs + 10)
      this.#timer.unref()
    }
    if (state !== connectivity.connecting) this.subchannel.startConnecting()
  }

  /** Ends the wait before the next attempt. */
  resetBackoff(): void {
    this.subchannel.getRealSubchannel().resetBackoff()
  }

  /** Connects at once, whatever backoff grpc-js has for its address; calls wait for it again. */
  retryNow(): void {
    this.#forgetTime()
    this.resetBackoff()
    this.connect()
  }

  /** Releases the connection; calls in progress continue. */
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

  /** A failed connection counts as a failed attempt, so that outlier detection sees it. */
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

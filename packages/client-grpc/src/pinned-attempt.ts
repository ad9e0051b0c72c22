import type { Endpoint } from '@sd/core'
import type { GrpcMetadata } from './grpc-types.ts'

/** One attempt that the policies of a client make on an endpoint that they picked. They count it, so nothing is counted here. */
export class PinnedAttempt {
  readonly endpoint: Endpoint
  /** Whether its status is out. */
  isOver = false
  /** Whether the request is being sent. */
  isStarted = false
  /** Connections to the endpoint that had failed when it began to wait for one. */
  failuresBefore: number | undefined
  /** Why the endpoint could not be connected. */
  failure: string | undefined
  /** Why the channel takes no calls. */
  refusal: string | undefined
  readonly #onStart: () => void

  /** @param onStart called when the peer may see the request */
  constructor(endpoint: Endpoint, onStart: () => void) {
    this.endpoint = endpoint
    this.#onStart = onStart
  }

  /** The request is being sent. grpc-js sends it again if a server refused it unseen. */
  start(): void {
    this.isStarted = true
    this.#onStart()
  }

  /** Its status is out. */
  end(): void {
    this.isOver = true
  }

  /** The head of the response came; the transport is told separately. */
  receiveHeaders(): void {}
}

/** By the options of their metadata, which grpc-js hands on as they are. */
const pins = new WeakMap<object, PinnedAttempt>()

/** The call that is made with metadata of these options goes where the attempt says. */
export function pinCall(metadataOptions: object, attempt: PinnedAttempt): void {
  pins.set(metadataOptions, attempt)
}

/** The attempt that a call with this metadata is. */
export function findPin(metadata: Pick<GrpcMetadata, 'getOptions'>): PinnedAttempt | undefined {
  return pins.get(metadata.getOptions())
}

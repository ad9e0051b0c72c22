import type { Endpoint } from '@sd/core'
import type { GrpcMetadata } from './grpc-types.ts'

/** One attempt that the policies of a client make on an endpoint that they picked. The client counts it, so this package does not. */
export class PinnedAttempt {
  readonly endpoint: Endpoint
  /** Whether it has its status. */
  isOver = false
  /** Whether the request is being sent. */
  isStarted = false
  /** Number of failed connections to the endpoint when it began to wait for one. */
  failuresBefore: number | undefined
  /** Why no connection to the endpoint could be made. */
  failure: string | undefined
  /** Why the channel accepts no calls. */
  refusal: string | undefined
  readonly #onStart: () => void

  /** @param onStart called when the peer may see the request */
  constructor(endpoint: Endpoint, onStart: () => void) {
    this.endpoint = endpoint
    this.#onStart = onStart
  }

  /** The request is being sent. grpc-js sends it again if a server rejected it without processing it. */
  start(): void {
    this.isStarted = true
    this.#onStart()
  }

  /** It has its status. */
  end(): void {
    this.isOver = true
  }

  /** The head of the response arrived. The transport is notified separately. */
  receiveHeaders(): void {}
}

/** By the options object of their metadata, which grpc-js passes on unchanged. */
const pins = new WeakMap<object, PinnedAttempt>()

/** Sends the call whose metadata has these options to the endpoint of the attempt. */
export function pinCall(metadataOptions: object, attempt: PinnedAttempt): void {
  pins.set(metadataOptions, attempt)
}

/** The attempt of the call with this metadata. */
export function findPin(metadata: Pick<GrpcMetadata, 'getOptions'>): PinnedAttempt | undefined {
  return pins.get(metadata.getOptions())
}

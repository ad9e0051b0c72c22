import type { Duplex } from 'node:stream'
import type { CallPriority, Endpoint, RequestBody, ResponseVerdict, SdError, ServiceInstance } from '@sd/core'
import type { Transport } from '../transport/transport.ts'
import type { ResponseHead } from './forward-parts.ts'

/** A request that is passed on unchanged. */
export interface ForwardRequest {
  /** Name of the service. */
  readonly service: string
  /** HTTP method. */
  readonly method: string
  /** Path with query; begins with a slash. */
  readonly path: string
  /**
   * Header fields, names and values in turn. Their order, case and repetition are kept. Those of one connection (RFC
   * 9110, 7.6.1) are left out; several `cookie` fields become one.
   *
   * @default none
   */
  readonly rawHeaders?: readonly string[]
  /**
   * Header fields instead of `rawHeaders`, which a proxy has prepared: names in lower case, those of one connection removed,
   * at most one `cookie`, `host` and `content-length`. They are not checked again. The client takes the list over, and may
   * change it.
   *
   * @default rawHeaders
   */
  readonly cleanHeaders?: string[]
  /** Whether a body follows by {@link ForwardControl.write} and {@link ForwardControl.end}. @default false */
  readonly hasBody?: boolean
  /** The complete body: it can be sent again, whatever its length, and hedged. Not with `hasBody`. @default none */
  readonly body?: RequestBody
  /** Protocol to upgrade to, such as `websocket`. @default none */
  readonly upgrade?: string
  /** Key that a consistent-hashing balancer hashes. */
  readonly hashKey?: string
  /**
   * Time limit until the head of the response, over all attempts, in milliseconds; 0 for no limit. It restarts with
   * every chunk of the request body.
   *
   * @default the service's `timeoutMs`
   */
  readonly headTimeoutMs?: number
  /**
   * Time limit between two chunks of the response, while the handler does not pause it, in milliseconds; 0 for no
   * limit. Not for upgrades. @default the service's `timeoutMs`
   */
  readonly idleTimeoutMs?: number
  /** Time limit of the whole exchange, including upgrades, in milliseconds; 0 for no limit. @default 0 */
  readonly maxDurationMs?: number
  /** Deadline of the whole exchange, by `performance.now()`. @default never */
  readonly deadlineAt?: number
  /**
   * Header fields, names and values in turn, that tell the instance the remaining time of an attempt. Fields of the request with
   * these names are replaced. Only requests with a deadline have them, and those whose whole body is known.
   *
   * @default `x-request-timeout-ms`
   */
  readonly deadlineFields?: (remainingMs: number) => readonly string[]
  /** Importance for concurrency limits. @default 'default' */
  readonly priority?: CallPriority
  /** Whether it may be sent twice whatever its method; it then carries an `Idempotency-Key`. @default the service's setting */
  readonly idempotent?: boolean
  /** Most bytes of the request body that are kept for another attempt; a longer body is sent once. @default 65_536 (64 KiB) */
  readonly replayBytes?: number
  /** Whether an instance may be picked for this request. @default all */
  readonly filter?: (instance: ServiceInstance) => boolean
  /**
   * Chooses the endpoint of the first attempt instead of the balancer. If it returns `undefined`, or one that may not be
   * picked now, the balancer picks, as for further attempts.
   *
   * @param endpoints those that get traffic; the same array until they change
   * @default the balancer picks
   */
  readonly prefer?: (endpoints: readonly Endpoint[]) => Endpoint | undefined
  /**
   * Judges a complete response: whether it is a failure of the instance, or a full verdict. For gRPC the trailers
   * decide, see `judgeGrpcResponse` of `@sd/core`. @default a status of 500 or above is a failure
   */
  readonly judge?: (head: ResponseHead, rawTrailers: readonly string[]) => boolean | ResponseVerdict
  /**
   * Sends the attempts of this request, to the endpoints that the client picks. It is not closed. @default the client's
   * transport
   */
  readonly transport?: Transport
}

/**
 * Receives the events of a forwarded request. Exactly one of `onEnd`, `onUpgrade` and `onError` is the last. No method
 * is called before `forward` has returned.
 */
export interface ForwardHandler {
  /** The body can continue after `write` returned false. */
  onDrain?(): void
  /** The head of a 1xx response. */
  onInformation?(status: number, rawHeaders: readonly string[]): void
  /** The head of the response. @param rawHeaders names and values in turn, as the instance sent them */
  onResponse(status: number, statusText: string, rawHeaders: readonly string[], endpoint: Endpoint): void
  /** A chunk of the body. {@link ForwardControl.pause} stops the flow. */
  onData(chunk: Uint8Array): void
  /** The body is complete. */
  onEnd(rawTrailers: readonly string[]): void
  /**
   * The protocol was changed. The handler owns the socket, and the call ends when the socket closes. Without this
   * method an upgrade is rejected.
   */
  onUpgrade?(socket: Duplex, rawHeaders: readonly string[], endpoint: Endpoint): void
  /** The request failed, possibly in the middle of the body. */
  onError(error: SdError): void
}

/** Controls a forwarded request. */
export interface ForwardControl {
  /** Sends a chunk of the body, which must not change afterwards. Returns false if the caller should wait for `onDrain`. */
  write(chunk: Uint8Array): boolean
  /** Ends the body. Trailer fields, names and values in turn, are sent over HTTP/2. */
  end(rawTrailers?: readonly string[]): void
  /** Ends the request with `onError(reason)`. */
  abort(reason: SdError): void
  /** Stops the flow of the response: at most one more chunk arrives. */
  pause(): void
  /** Resumes the flow. */
  resume(): void
}

import type { Duplex } from 'node:stream'
import type { CallPriority, Endpoint, RequestBody, ResponseVerdict, SdError, ServiceInstance } from '@sd/core'
import type { Transport } from '../transport/transport.ts'
import type { ResponseHead } from './forward-parts.ts'

/** A request that is handed on as it came. */
export interface ForwardRequest {
  /** Name of the service. */
  readonly service: string
  /** HTTP method. */
  readonly method: string
  /** Path with query; begins with a slash. */
  readonly path: string
  /**
   * Header fields, names and values in turn. Their order, case and repetition are kept. Those of one connection (RFC 9110, 7.6.1) are left out,
   * several `cookie` fields become one.
   *
   * @default none
   */
  readonly rawHeaders?: readonly string[]
  /** Whether a body follows by {@link ForwardControl.write} and {@link ForwardControl.end}. @default false */
  readonly hasBody?: boolean
  /** The body, if it is there as a whole: then it can be sent again, whatever its length, and hedged. Not with `hasBody`. @default none */
  readonly body?: RequestBody
  /** Protocol to upgrade to, such as `websocket`. @default none */
  readonly upgrade?: string
  /** What a consistent-hashing balancer hashes. */
  readonly hashKey?: string
  /**
   * Until the head of the response, over all attempts, in milliseconds; 0 for none. While the body of the request comes, it begins again with
   * every part.
   *
   * @default the service's `timeoutMs`
   */
  readonly headTimeoutMs?: number
  /** Between two parts of the response, while the handler does not pause it, in milliseconds; 0 for none. Not for upgrades. @default the service's `timeoutMs` */
  readonly idleTimeoutMs?: number
  /** For the whole, upgrades included, in milliseconds; 0 for none. @default 0 */
  readonly maxDurationMs?: number
  /** When the whole must have ended, by `performance.now()`. @default never */
  readonly deadlineAt?: number
  /** How much it matters to concurrency limits. @default 'default' */
  readonly priority?: CallPriority
  /** Whether it may be sent twice whatever its method; then it has an `Idempotency-Key`. @default what the service says */
  readonly idempotent?: boolean
  /** Most bytes of the request body that are kept for another attempt; a longer body is sent once. @default 65_536 (64 KiB) */
  readonly replayBytes?: number
  /** Whether an instance may be picked for this request. @default all */
  readonly filter?: (instance: ServiceInstance) => boolean
  /**
   * Whether a response that came to its end is a failure of the instance, or what it says altogether: for gRPC its trailers say so, see
   * `judgeGrpcResponse` of `@sd/core`. @default a status from 500 on
   */
  readonly judge?: (head: ResponseHead, rawTrailers: readonly string[]) => boolean | ResponseVerdict
  /** Sends the attempts of this request, to the endpoints that the client picks. Not closed. @default the client's transport */
  readonly transport?: Transport
}

/** Told how a forwarded request goes. Exactly one of `onEnd`, `onUpgrade` and `onError` is the last. Nothing is told before `forward` has returned. */
export interface ForwardHandler {
  /** Takes more of the body after `write` returned false. */
  onDrain?(): void
  /** The head of a 1xx response. */
  onInformation?(status: number, rawHeaders: readonly string[]): void
  /** The head of the response. @param rawHeaders names and values in turn, as the instance sent them */
  onResponse(status: number, statusText: string, rawHeaders: readonly string[], endpoint: Endpoint): void
  /** A part of the body. {@link ForwardControl.pause} ends the flow. */
  onData(chunk: Uint8Array): void
  /** The body is complete. */
  onEnd(rawTrailers: readonly string[]): void
  /** The protocol was changed: the socket is the handler's, and the call ends when it closes. Without this method an upgrade is refused. */
  onUpgrade?(socket: Duplex, rawHeaders: readonly string[], endpoint: Endpoint): void
  /** It failed, also in the middle of the body. */
  onError(error: SdError): void
}

/** The other direction of a forwarded request. */
export interface ForwardControl {
  /** Sends a part of the body, which must not change afterwards. Returns false to ask for a wait until `onDrain`. */
  write(chunk: Uint8Array): boolean
  /** Ends the body. Trailer fields, names and values in turn, are sent over HTTP/2. */
  end(rawTrailers?: readonly string[]): void
  /** Ends the whole with `onError(reason)`. */
  abort(reason: SdError): void
  /** Stops the flow of the response: at most one more part comes. */
  pause(): void
  /** Goes on. */
  resume(): void
}

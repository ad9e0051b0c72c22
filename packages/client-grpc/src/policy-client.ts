import type { CallPriority, Endpoint, HeaderFields, ResponseVerdict, SdError } from '@sd/core'

/*
 * What is needed of `@sd/client`, so that nobody needs it who does not give its client. What these are is said there.
 */

/** A request as its transport is given it. */
export interface AttemptRequest {
  readonly path: string
  /** Names and values in turn. */
  readonly rawHeaders?: readonly string[] | undefined
  /** The body as a whole; `null` for one that is pushed. */
  readonly body: string | Uint8Array | AsyncIterable<Uint8Array> | null
}

/** Told how an attempt goes. */
export interface AttemptHandler {
  onSend(): void
  onDrain?(): void
  onResponse(status: number, headers: HeaderFields, statusText: string): void
  onData(chunk: Uint8Array): boolean
  onEnd(trailers: HeaderFields): void
  onError(error: SdError, wasSent?: boolean): void
}

/** The other direction of an attempt. */
export interface AttemptExchange {
  readonly rawHeaders: readonly string[]
  readonly rawTrailers: readonly string[]
  write(chunk: Uint8Array): boolean
  end(): void
  abort(reason: SdError): void
  resume(): void
}

/** A call as the client is given it. */
export interface PolicyRequest {
  readonly service: string
  readonly method: string
  readonly path: string
  readonly rawHeaders: readonly string[]
  readonly hasBody?: boolean
  readonly body?: Uint8Array
  readonly hashKey?: string
  readonly priority?: CallPriority
  readonly headTimeoutMs?: number
  readonly idleTimeoutMs: number
  readonly deadlineAt?: number
  readonly replayBytes: number
  readonly judge: (
    head: { readonly status: number; readonly headers: HeaderFields },
    rawTrailers: readonly string[],
  ) => ResponseVerdict
  readonly transport: {
    readonly name: string
    send(endpoint: Endpoint, request: AttemptRequest, handler: AttemptHandler): AttemptExchange
    close(): Promise<void>
  }
}

/** Told how a call goes. */
export interface PolicyHandler {
  onDrain(): void
  onResponse(status: number, statusText: string, rawHeaders: readonly string[]): void
  onData(chunk: Uint8Array): void
  onEnd(rawTrailers: readonly string[]): void
  onError(error: SdError): void
}

/** The other direction of a call. */
export interface PolicyControl {
  write(chunk: Uint8Array): boolean
  end(): void
  abort(reason: SdError): void
  pause(): void
  resume(): void
}

/** The part of `@sd/client` that is needed: its `createServiceClient` gives it. */
export interface PolicyClient {
  /** Makes a call under the policies of its service; see `ServiceClient.forward`. */
  forward(request: PolicyRequest, handler: PolicyHandler): PolicyControl
}

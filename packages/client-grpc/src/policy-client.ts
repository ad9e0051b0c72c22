import type { CallPriority, Endpoint, HeaderFields, ResponseVerdict, SdError } from '@sd/core'

/*
 * The part of `@sd/client` that this package uses, declared here so that the dependency is optional. Its documentation is
 * in `@sd/client`.
 */

/** A request as a transport receives it. */
export interface AttemptRequest {
  readonly path: string
  /** Names and values in turn. */
  readonly rawHeaders?: readonly string[] | undefined
  /** The complete body; `null` for one that is pushed. */
  readonly body: string | Uint8Array | AsyncIterable<Uint8Array> | null
}

/** Receives the events of an attempt. */
export interface AttemptHandler {
  onSend(): void
  onDrain?(): void
  onResponse(status: number, headers: HeaderFields, statusText: string): void
  onData(chunk: Uint8Array): boolean
  onEnd(trailers: HeaderFields): void
  onError(error: SdError, wasSent?: boolean): void
}

/** Controls an attempt. */
export interface AttemptExchange {
  readonly rawHeaders: readonly string[]
  readonly rawTrailers: readonly string[]
  write(chunk: Uint8Array): boolean
  end(): void
  abort(reason: SdError): void
  resume(): void
}

/** A call as the client receives it. */
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

/** Receives the events of a call. */
export interface PolicyHandler {
  onDrain(): void
  onResponse(status: number, statusText: string, rawHeaders: readonly string[]): void
  onData(chunk: Uint8Array): void
  onEnd(rawTrailers: readonly string[]): void
  onError(error: SdError): void
}

/** Controls a call. */
export interface PolicyControl {
  write(chunk: Uint8Array): boolean
  end(): void
  abort(reason: SdError): void
  pause(): void
  resume(): void
}

/** The required part of a client: `createServiceClient` of `@sd/client` returns one. */
export interface PolicyClient {
  /** Makes a call under the policies of its service; see `ServiceClient.forward`. */
  forward(request: PolicyRequest, handler: PolicyHandler): PolicyControl
}

import { EventEmitter } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { ServerAddress } from '@sd/adapter-kit'
import { abortError } from '@sd/core'
import type { TlsCertificates } from '@sd/tls'
import Consul from 'consul'

/** Result of a library call that also requests the response. */
export type LibraryResponse<T> = readonly [response: { readonly headers: http.IncomingHttpHeaders }, body: T]

/** Options of every call; the library's own types lack most of them. */
export interface CallOptions {
  /** Cancels the call, and makes it return the response with the body. */
  readonly ctx: EventEmitter
  /** ACL token, sent as a header. */
  readonly token?: string
}

/** Options of a blocking query. */
export interface QueryOptions extends CallOptions {
  /** Datacenter to query. */
  readonly dc?: string
  /** Last seen index: the response arrives as soon as there is a newer one. */
  readonly index?: string
  /** Longest time to wait for a newer one. */
  readonly wait?: string
  /** Whether any server may respond. */
  readonly stale?: boolean
  /** Whether the leader must verify its leadership before it responds. */
  readonly consistent?: boolean
}

/** A request without a method in the library. */
export interface RawRequest {
  /** Path after `/v1`, with `{name}` for parameters. */
  readonly path: string
  /** Parameters of the path, which are then encoded. */
  readonly params?: Readonly<Record<string, string>>
  /** Query of the URL. */
  readonly query?: Readonly<Record<string, string>>
  /** Body: bytes unchanged, anything else as JSON. */
  readonly body?: unknown
  /** Headers, including the token. */
  readonly headers: Readonly<Record<string, string>>
  /** Cancels the request. */
  readonly ctx: EventEmitter
}

/** The response to a {@link RawRequest}. */
export type RawResponse = http.IncomingMessage & { readonly body: unknown }

/** The used part of the library, with its actual types. */
export interface ConsulClient {
  /** State of one agent. */
  readonly agent: {
    readonly check: {
      pass(options: CallOptions & { readonly id: string }): Promise<LibraryResponse<void>>
      warn(options: CallOptions & { readonly id: string }): Promise<LibraryResponse<void>>
    }
    readonly service: { deregister(options: CallOptions & { readonly id: string }): Promise<LibraryResponse<void>> }
  }
  /** Services of a datacenter. */
  readonly catalog: { services(options: QueryOptions): Promise<LibraryResponse<unknown>> }
  /** Services of a datacenter, with their checks. */
  readonly health: { service(options: QueryOptions & { readonly service: string }): Promise<LibraryResponse<unknown>> }
  /** Keys and values. The response for a missing key, or with `recurse` for a prefix without keys, has no body. */
  readonly kv: {
    get(
      options: QueryOptions & {
        readonly key: string
        readonly recurse?: boolean
        readonly buffer?: boolean
      },
    ): Promise<LibraryResponse<unknown>>
  }
  /** Sessions that hold locks. */
  readonly session: {
    renew(options: CallOptions & { readonly id: string; readonly dc?: string }): Promise<LibraryResponse<unknown>>
    destroy(options: CallOptions & { readonly id: string; readonly dc?: string }): Promise<LibraryResponse<unknown>>
  }
  /** Status of the servers. */
  readonly status: { leader(options: CallOptions): Promise<LibraryResponse<unknown>> }
  /** Sends a GET request. */
  _get(request: RawRequest): Promise<RawResponse>
  /** Sends a PUT request. */
  _put(request: RawRequest): Promise<RawResponse>
  /** Sends a DELETE request. */
  _delete(request: RawRequest): Promise<RawResponse>
  /** Adds a hook that changes requests before they are sent. */
  _ext(event: 'onRequest', extension: (request: { transport: unknown }, next: () => void) => void): void
}

/**
 * Creates a client of the library for one agent, with connections from `agent`.
 *
 * @param certificates certificates for a request; it uses only a connection that was opened with the same
 */
export function createClient(
  { host, port, secure }: ServerAddress,
  agent: http.Agent,
  certificates: () => TlsCertificates,
): ConsulClient {
  const client = new Consul({ host: host.includes(':') ? `[${host}]` : host, port, secure, agent }) as unknown as ConsulClient
  const { request } = secure ? https : http
  // The library would resolve an IPv6 address with its brackets.
  const transport = {
    request: (options: https.RequestOptions) => watchOver(request({ ...options, ...certificates(), hostname: host })),
  }
  client._ext('onRequest', (prepared, next) => {
    prepared.transport = transport
    next()
  })
  return client
}

/** Errors of requests on a reused connection that the agent may just have closed. Such a request can be sent again. */
const reusedSocket = new WeakSet<object>()

/** Whether the request may have failed only because the agent closed its idle connection. */
export function failedOnReusedSocket(error: unknown): boolean {
  return typeof error === 'object' && error !== null && reusedSocket.has(error)
}

/** Without this, the library never ends a call whose connection breaks during the response. */
function watchOver(request: http.ClientRequest): http.ClientRequest {
  request.on('response', (response) => response.once('error', (error) => request.emit('error', error)))
  request.prependListener('error', (error) => {
    if (request.reusedSocket) reusedSocket.add(error)
  })
  return request
}

/** Runs a call of the library, and ends it when `signal` aborts. */
export async function callLibrary<T>(signal: AbortSignal, call: (ctx: EventEmitter) => Promise<T>): Promise<T> {
  if (signal.aborted) throw abortError(signal, 'request')
  const ctx = Object.assign(new EventEmitter(), { includeResponse: true })
  const cancel = (): void => void ctx.emit('cancel')
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await call(ctx)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

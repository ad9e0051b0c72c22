import { EventEmitter } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { ServerAddress } from '@sd/adapter-kit'
import { abortError } from '@sd/core'
import type { TlsCertificates } from '@sd/tls'
import Consul from 'consul'

/** What the library gives back if it is asked for the response too. */
export type Answer<T> = readonly [response: { readonly headers: http.IncomingHttpHeaders }, body: T]

/** What goes with every call; the library's own types lack most of it. */
export interface CallOptions {
  /** Cancels the call, and asks for the response besides the body. */
  readonly ctx: EventEmitter
  /** ACL token, which becomes a header. */
  readonly token?: string
}

/** What goes with a blocking query. */
export interface QueryOptions extends CallOptions {
  /** Datacenter to ask. */
  readonly dc?: string
  /** What was seen last: the answer comes as soon as there is more. */
  readonly index?: string
  /** Longest time to wait for that. */
  readonly wait?: string
  /** Whether any server may answer. */
  readonly stale?: boolean
  /** Whether the leader makes sure that it is one before it answers. */
  readonly consistent?: boolean
}

/** A request that the library has no method for. */
export interface RawRequest {
  /** Path after `/v1`, with `{name}` where a parameter goes. */
  readonly path: string
  /** Parameters of the path; they are encoded. */
  readonly params?: Readonly<Record<string, string>>
  /** Query of the URL. */
  readonly query?: Readonly<Record<string, string>>
  /** Body: bytes as they are, anything else as JSON. */
  readonly body?: unknown
  /** Headers, the token among them. */
  readonly headers: Readonly<Record<string, string>>
  /** Cancels the request. */
  readonly ctx: EventEmitter
}

/** The response to a {@link RawRequest}. */
export type RawResponse = http.IncomingMessage & { readonly body: unknown }

/** The part of the library that is used here, as it really is. */
export interface ConsulClient {
  /** What is on one agent. */
  readonly agent: {
    readonly check: {
      pass(options: CallOptions & { readonly id: string }): Promise<Answer<void>>
      warn(options: CallOptions & { readonly id: string }): Promise<Answer<void>>
    }
    readonly service: { deregister(options: CallOptions & { readonly id: string }): Promise<Answer<void>> }
  }
  /** What is in a datacenter. */
  readonly catalog: { services(options: QueryOptions): Promise<Answer<unknown>> }
  /** What is in a datacenter, with checks. */
  readonly health: { service(options: QueryOptions & { readonly service: string }): Promise<Answer<unknown>> }
  /** Keys and values; the answer for a missing key, or with `recurse` for a prefix without keys, has no body. */
  readonly kv: {
    get(
      options: QueryOptions & {
        readonly key: string
        readonly recurse?: boolean
        readonly buffer?: boolean
      },
    ): Promise<Answer<unknown>>
  }
  /** Sessions that hold locks. */
  readonly session: {
    renew(options: CallOptions & { readonly id: string; readonly dc?: string }): Promise<Answer<unknown>>
    destroy(options: CallOptions & { readonly id: string; readonly dc?: string }): Promise<Answer<unknown>>
  }
  /** How the servers are. */
  readonly status: { leader(options: CallOptions): Promise<Answer<unknown>> }
  /** Any GET. */
  _get(request: RawRequest): Promise<RawResponse>
  /** Any PUT. */
  _put(request: RawRequest): Promise<RawResponse>
  /** Any DELETE. */
  _delete(request: RawRequest): Promise<RawResponse>
  /** Lets requests be changed before they are sent. */
  _ext(event: 'onRequest', extension: (request: { transport: unknown }, next: () => void) => void): void
}

/**
 * Makes a client of the library for one agent; connections come from `agent`.
 *
 * @param certificates those that a request is to be made with, which takes a connection that was made with the same
 */
export function createClient(
  { host, port, secure }: ServerAddress,
  agent: http.Agent,
  certificates: () => TlsCertificates,
): ConsulClient {
  const client = new Consul({ host: host.includes(':') ? `[${host}]` : host, port, secure, agent }) as unknown as ConsulClient
  const { request } = secure ? https : http
  // The library would have the brackets of an IPv6 address looked up as part of a name.
  const transport = {
    request: (options: https.RequestOptions) => watchOver(request({ ...options, ...certificates(), hostname: host })),
  }
  client._ext('onRequest', (prepared, next) => {
    prepared.transport = transport
    next()
  })
  return client
}

/** Errors of requests on a kept connection that the agent may have closed just then: such a request may be sent again. */
const reusedSocket = new WeakSet<object>()

/** Whether the request may have failed only because its connection had been kept too long. */
export function failedOnReusedSocket(error: unknown): boolean {
  return typeof error === 'object' && error !== null && reusedSocket.has(error)
}

/** The library would wait for ever for the rest of a response whose connection broke. */
function watchOver(request: http.ClientRequest): http.ClientRequest {
  request.on('response', (response) => response.once('error', (error) => request.emit('error', error)))
  request.prependListener('error', (error) => {
    if (request.reusedSocket) reusedSocket.add(error)
  })
  return request
}

/** Runs a call of the library, and ends it at once when `signal` fires. */
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

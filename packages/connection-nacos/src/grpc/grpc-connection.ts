import type { ChannelCredentials } from '@grpc/grpc-js'
import type { ServerAddress } from '@sd/adapter-kit'
import { checkFunction, closedError, guardListener, SdError, spread, withTimeout } from '@sd/core'
import { createTlsSource } from '@sd/tls'
import type { NacosLogin } from '../nacos-login.ts'
import type { ResolvedNacosConnectionOptions } from '../options.ts'
import { readResponseError, toGrpcError } from './grpc-error.ts'
import { type NacosGrpcSession, openGrpcSession } from './grpc-session.ts'
import type { NacosPayload } from './payload.ts'
import { sourceAddress } from './source-address.ts'

/** A request of Nacos' gRPC protocol. */
export interface NacosGrpcRequest {
  /** Name of the message, such as `InstanceRequest`. */
  readonly type: string
  /** Its fields. */
  readonly body: Readonly<Record<string, unknown>>
  /** Whether to return a response that reports an error instead of throwing. @default none */
  readonly accepts?: (response: Readonly<Record<string, unknown>>) => boolean
  /** The session in which it must be sent. @default the current one, or a new one */
  readonly session?: NacosGrpcSession
}

/** A gRPC connection to a server that responds. A broken one is replaced at the next request. */
export interface NacosGrpc {
  /** Sends a request, and connects first if necessary. @returns the fields of the response @throws SdError */
  request(request: NacosGrpcRequest, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>>
  /** Returns the current session, and connects first if necessary. @throws SdError */
  session(signal: AbortSignal): Promise<NacosGrpcSession>
  /**
   * Receives messages that servers send on their own, such as `NotifySubscriberRequest`.
   *
   * @returns a function that ends it
   */
  onPush(type: string, listener: (body: Readonly<Record<string, unknown>>, session: NacosGrpcSession) => void): () => void
  /** Calls the listener when a session has ended and what the server knew of it is lost. @returns a function that ends it */
  onLost(listener: (error: SdError) => void): () => void
  /** Ends the connection. */
  close(): void
}

/** Options of {@link createNacosGrpc}. */
export interface NacosGrpcOptions {
  readonly settings: ResolvedNacosConnectionOptions
  /** Login, if the server requires one. It uses HTTP. */
  readonly login: NacosLogin | undefined
  /** What the connection is used for: `naming` or `config`. */
  readonly module: string
}

/** Time in which a failed attempt to connect is the result of further ones, in milliseconds: many callers may retry at once. */
const failurePauseMs = 200
/** Time for which a connection that the server wants to end is still open, in milliseconds, so that its instances are registered on the new one first. */
const handoverMs = 5_000

/** Creates a connection. Opens nothing until the first request. */
export function createNacosGrpc(options: NacosGrpcOptions): NacosGrpc {
  return new GrpcConnection(options)
}

type Push = (body: NacosPayload['body'], session: NacosGrpcSession) => void

class GrpcConnection implements NacosGrpc {
  readonly #options: NacosGrpcOptions
  readonly #servers: readonly ServerAddress[]
  readonly #tls: ReturnType<typeof createTlsSource> | undefined
  readonly #pushes = new Map<string, Set<Push>>()
  readonly #lost = new Set<(error: SdError) => void>()
  /** Sessions that the server wants to end, until their time is over. */
  readonly #leaving = new Set<{ readonly session: NacosGrpcSession; readonly timer: NodeJS.Timeout }>()
  #current: NacosGrpcSession | undefined
  #connecting: Promise<NacosGrpcSession> | undefined
  #failed: { readonly until: number; readonly error: SdError } | undefined
  /** Index of the server for the next connection. The first one is chosen at random, so that clients spread over the servers. */
  #next: number
  #isClosed = false

  constructor(options: NacosGrpcOptions) {
    const { servers, grpcPortOffset, grpcTls, tls } = options.settings
    this.#options = options
    this.#servers = servers.map((server) => ({ ...server, port: server.port + grpcPortOffset }))
    this.#tls = grpcTls ? createTlsSource(tls ?? {}) : undefined
    this.#next = Math.floor(Math.random() * servers.length)
  }

  async request(request: NacosGrpcRequest, signal: AbortSignal): Promise<NacosPayload['body']> {
    const { type, body, accepts, session = await this.session(signal) } = request
    const { settings, login } = this.#options
    const http = this.#httpServer(session)
    const token = await login?.token(http)
    let response = await session.send({ type, headers: headersOf(token), body }, signal)
    const errorOf = (): SdError | undefined =>
      accepts?.(response.body) ? undefined : readResponseError(settings.name, response, settings.namespace)
    let error = errorOf()
    if (login && error?.code === 'SD_DENIED') {
      // The token has expired or the server no longer knows it: try once more with a new one.
      login.forget(token)
      response = await session.send({ type, headers: headersOf(await login.token(http)), body }, signal)
      error = errorOf()
    }
    if (error) throw error
    return response.body
  }

  async session(signal: AbortSignal): Promise<NacosGrpcSession> {
    const { name, operationTimeoutMs: timeoutMs } = this.#options.settings
    if (this.#isClosed) throw closedError(name)
    if (this.#current) return this.#current
    if (this.#failed && performance.now() < this.#failed.until) throw this.#failed.error
    // Shared by several callers, so it does not end with one of them.
    this.#connecting ??= withTimeout({ timeoutMs, what: `${name} connecting` }, (inner) => this.#connect(inner)).finally(() => {
      this.#connecting = undefined
    })
    const connecting = this.#connecting
    return withTimeout({ what: `${name} connecting`, signal }, () => connecting)
  }

  onPush(type: string, listener: Push): () => void {
    const own = guardListener(`listener of ${type}`, checkFunction('listener', listener))
    const listeners = this.#pushes.get(type) ?? new Set()
    this.#pushes.set(type, listeners.add(own))
    return () => listeners.delete(own)
  }

  onLost(listener: (error: SdError) => void): () => void {
    const own = guardListener('listener of lost connections', checkFunction('listener', listener))
    this.#lost.add(own)
    return () => this.#lost.delete(own)
  }

  close(): void {
    this.#isClosed = true
    const reason = closedError(this.#options.settings.name)
    for (const one of this.#leaving) this.#drop(one, reason)
    this.#current?.end(reason)
  }

  /** Tries each server once. */
  async #connect(signal: AbortSignal): Promise<NacosGrpcSession> {
    const { settings, module } = this.#options
    const { name, operationTimeoutMs, namespace, tls } = settings
    const timeoutMs = operationTimeoutMs / this.#servers.length
    for (let tried = 1; ; tried++) {
      const server = this.#servers[this.#next] as ServerAddress
      try {
        const session = await withTimeout({ timeoutMs, what: `${name} connecting`, signal }, async (inner) =>
          openGrpcSession(
            {
              name,
              server,
              credentials: await this.#credentials(),
              serverName: tls?.serverName,
              namespace,
              clientAddress: await sourceAddress(server),
              labels: { source: 'sdk', module },
              checkTimeoutMs: Math.min(3_000, operationTimeoutMs),
              onPush: (message, from) => this.#receive(message, from),
            },
            inner,
          ),
        )
        return this.#use(session)
      } catch (caught) {
        this.#tls?.forget()
        this.#next = (this.#next + 1) % this.#servers.length
        const error = toGrpcError(name, caught)
        this.#failed = { until: performance.now() + spread(failurePauseMs), error }
        if (!error.retryable || signal.aborted || tried === this.#servers.length) throw error
      }
    }
  }

  #use(session: NacosGrpcSession): NacosGrpcSession {
    if (this.#isClosed) {
      const closed = closedError(this.#options.settings.name)
      session.end(closed)
      throw closed
    }
    this.#failed = undefined
    this.#current = session
    const onEnd = (): void => this.#leave(session, session.signal.reason as SdError)
    if (session.signal.aborted) onEnd()
    else session.signal.addEventListener('abort', onEnd, { once: true })
    return session
  }

  /** The session is not used for new requests. Its users start again on another one. */
  #leave(session: NacosGrpcSession, error: SdError): void {
    if (this.#current !== session) return
    this.#current = undefined
    if (this.#isClosed) return
    for (const notify of this.#lost) notify(error)
  }

  #receive(message: NacosPayload, session: NacosGrpcSession): void {
    if (message.type === 'ConnectResetRequest') this.#reset(message.body, session)
    for (const notify of this.#pushes.get(message.type) ?? []) notify(message.body, session)
  }

  /** The server wants the client to connect again, to the server that it names or to any other. */
  #reset({ serverIp, serverPort }: NacosPayload['body'], session: NacosGrpcSession): void {
    if (this.#current !== session) return
    const { servers } = this.#options.settings
    const named = servers.findIndex(({ host, port }) => host === serverIp && String(port) === String(serverPort))
    this.#next = named >= 0 ? named : (this.#next + 1) % servers.length
    const reason = new SdError('SD_UNAVAILABLE', `${this.#options.settings.name}: the server asked to connect again`)
    const leaving = { session, timer: setTimeout(() => this.#drop(leaving, reason), handoverMs) }
    this.#leaving.add(leaving)
    this.#leave(session, reason)
  }

  #drop(leaving: { readonly session: NacosGrpcSession; readonly timer: NodeJS.Timeout }, reason: SdError): void {
    clearTimeout(leaving.timer)
    this.#leaving.delete(leaving)
    leaving.session.end(reason)
  }

  #httpServer({ server }: NacosGrpcSession): ServerAddress {
    return { ...server, port: server.port - this.#options.settings.grpcPortOffset }
  }

  async #credentials(): Promise<ChannelCredentials> {
    const { credentials } = await import('@grpc/grpc-js')
    if (!this.#tls) return credentials.createInsecure()
    const { ca, cert, key } = await this.#tls.current()
    const bytes = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem))
    return credentials.createSsl(bytes(ca), bytes(key), bytes(cert))
  }
}

function headersOf(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { accessToken: token }
}

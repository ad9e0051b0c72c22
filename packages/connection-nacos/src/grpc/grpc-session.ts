import type { ChannelCredentials, Client, ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import type { ServerAddress } from '@sd/adapter-kit'
import { abortError, SdError, sleep, untilAborted, withAnySignal, withTimeout } from '@sd/core'
import { readResponseError, toGrpcError, UNREGISTERED } from './grpc-error.ts'
import { decodePayload, encodePayload, type NacosPayload } from './payload.ts'

type GrpcJs = typeof import('@grpc/grpc-js')

/** One connection to one server: a channel, its stream, and what the server knows of them. It ends once and is not used again. */
export interface NacosGrpcSession {
  /** The server. */
  readonly server: ServerAddress
  /** Id that the server gave to the connection. */
  readonly connectionId: string
  /** Whether the server is rnacos, which differs from official ones in what it keeps and compares. */
  readonly isRnacos: boolean
  /** Names of the abilities that the server has, such as `fuzzyWatch`. Empty for servers that don't negotiate them. */
  readonly abilities: ReadonlySet<string>
  /** Aborts when the session has ended; the reason is an `SdError`. */
  readonly signal: AbortSignal
  /** Sends a request and returns its response, of any result. @throws SdError if there is none */
  send(request: NacosPayload, signal: AbortSignal): Promise<NacosPayload>
  /** Ends the session. */
  end(reason: SdError): void
}

/** Options of {@link openGrpcSession}. */
export interface GrpcSessionOptions {
  /** Name of the owner, for messages. */
  readonly name: string
  /** The server, with its gRPC port. */
  readonly server: ServerAddress
  /** Certificates, or none. */
  readonly credentials: ChannelCredentials
  /** Name in the certificate, if it is not the server's address. */
  readonly serverName: string | undefined
  /** Id of the namespace, for the connection's entry on the server. */
  readonly namespace: string
  /** Address of this client, as the server shall know it. */
  readonly clientAddress: string | undefined
  /** Labels of the connection on the server. */
  readonly labels: Readonly<Record<string, string>>
  /** Time limit of the check of an idle connection, in milliseconds. */
  readonly checkTimeoutMs: number
  /** Called with each message that the server sends on its own. It must not throw. */
  readonly onPush: (message: NacosPayload, session: NacosGrpcSession) => void
}

/** Nacos identifies clients by such names. */
const clientVersion = 'Nacos-Node-Client:v3.0.0'
/** Without traffic for this time the connection is checked, in milliseconds; the Java client does the same. */
const idleMs = 5_000
/** Time between two questions whether the server has accepted a connection, in milliseconds. */
const acceptPollMs = 20
/** Largest message that is read, in bytes; as over HTTP. */
const maxMessageBytes = 67_108_864
/** Bytes that the server may send before it waits. With the default of 64 KiB a large text takes a round trip for each of them. */
const windowBytes = 1_048_576

const channelOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  'grpc-node.flow_control_window': windowBytes,
  // The server identifies a client by its TCP connection, so two of them in a process must not share one.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
}

/** Waits until the signal aborts. Rejects with the reason as soon as the session ends. */
export function untilSessionEnds(session: NacosGrpcSession, signal: AbortSignal): Promise<void> {
  return withAnySignal([session.signal, signal], async (either) => {
    await untilAborted(either)
    if (!signal.aborted) throw session.signal.reason
  })
}

/** Connects: asks the server for an id, opens the stream, and waits until the server has accepted the connection. @throws SdError */
export async function openGrpcSession(options: GrpcSessionOptions, signal: AbortSignal): Promise<NacosGrpcSession> {
  const grpc = await import('@grpc/grpc-js')
  const session = new GrpcSession(grpc, options)
  const abort = (): void => session.end(new SdError('SD_ABORTED', `${options.name}: connecting was aborted`))
  signal.addEventListener('abort', abort, { once: true })
  try {
    await session.open(signal)
    return session
  } catch (caught) {
    const error = toGrpcError(options.name, caught)
    session.end(error)
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

class GrpcSession implements NacosGrpcSession {
  readonly server: ServerAddress
  connectionId = ''
  abilities: ReadonlySet<string> = new Set()
  readonly #options: GrpcSessionOptions
  readonly #client: Client
  readonly #ending = new AbortController()
  readonly #accepted = Promise.withResolvers<void>()
  #stream: ClientDuplexStream<NacosPayload, NacosPayload> | undefined
  #timer: NodeJS.Timeout | undefined
  #activeAt = performance.now()
  #checking = false

  constructor(grpc: GrpcJs, options: GrpcSessionOptions) {
    const { server, credentials, serverName } = options
    this.server = server
    this.#options = options
    const host = server.host.includes(':') ? `[${server.host}]` : server.host
    this.#client = new grpc.Client(`${host}:${server.port}`, credentials, {
      ...channelOptions,
      ...(serverName && { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
    })
    this.#accepted.promise.catch(() => undefined)
  }

  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** rnacos reports nothing of itself. Its ids of connections end with `:port`, official ones with `_port`. */
  get isRnacos(): boolean {
    return /:\d+$/.test(this.connectionId)
  }

  async open(signal: AbortSignal): Promise<void> {
    const { name, namespace, labels, clientAddress } = this.#options
    const check = await this.send({ type: 'ServerCheckRequest', headers: {}, body: {} }, signal)
    if (check.type !== 'ServerCheckResponse')
      throw readResponseError(name, check) ?? new SdError('SD_UNAVAILABLE', `${name} is starting`)
    this.connectionId = String(check.body['connectionId'] ?? '')
    this.#openStream()
    this.#write({
      type: 'ConnectionSetupRequest',
      headers: {},
      clientAddress,
      body: { clientVersion, tenant: namespace, labels, abilityTable: { fuzzyWatch: true } },
    })
    // Other servers don't confirm that they have accepted the connection.
    await (check.body['supportAbilityNegotiation'] === true ? this.#accepted.promise : this.#untilAccepted(signal))
    this.#timer = setInterval(() => void this.#checkIdle(), idleMs / 5)
  }

  send(request: NacosPayload, signal: AbortSignal): Promise<NacosPayload> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, `${this.#options.name} ${request.type}`))
      if (this.signal.aborted) return reject(this.signal.reason as SdError)
      const call = this.#client.makeUnaryRequest<NacosPayload, NacosPayload>(
        '/Request/request',
        encodePayload,
        decodePayload,
        request,
        (error: ServiceError | null, response?: NacosPayload) => {
          signal.removeEventListener('abort', cancel)
          if (!response) return reject(this.signal.aborted ? this.signal.reason : toGrpcError(this.#options.name, error))
          this.#activeAt = performance.now()
          if (response.body['errorCode'] === UNREGISTERED && this.#timer)
            this.end(this.#lost('the server no longer knows the connection'))
          resolve(response)
        },
      )
      const cancel = (): void => {
        call.cancel()
        reject(abortError(signal, `${this.#options.name} ${request.type}`))
        // Without a response the server may be paused, or the network interrupted.
        void this.#check()
      }
      signal.addEventListener('abort', cancel, { once: true })
    })
  }

  end(reason: SdError): void {
    if (this.#ending.signal.aborted) return
    clearInterval(this.#timer)
    this.#ending.abort(reason)
    this.#accepted.reject(reason)
    this.#stream?.cancel()
    this.#client.close()
  }

  #openStream(): void {
    const stream = this.#client.makeBidiStreamRequest<NacosPayload, NacosPayload>(
      '/BiRequestStream/requestBiStream',
      encodePayload,
      decodePayload,
    )
    this.#stream = stream
    stream.on('data', (message: NacosPayload) => this.#receive(message))
    stream.on('error', (error) => this.end(toGrpcError(this.#options.name, error)))
    stream.on('end', () => this.end(this.#lost('the server ended the stream')))
  }

  #receive(message: NacosPayload): void {
    const { type, body } = message
    this.#activeAt = performance.now()
    if (type === 'SetupAckRequest') {
      const table = (body['abilityTable'] ?? {}) as Readonly<Record<string, unknown>>
      this.abilities = new Set(Object.keys(table).filter((ability) => table[ability] === true))
      this.#accepted.resolve()
      return
    }
    if (!type.endsWith('Request')) return
    const { requestId } = body
    this.#write({
      type: type.replace(/Request$/, 'Response'),
      headers: {},
      body: { resultCode: 200, errorCode: 0, ...(requestId !== undefined && { requestId }) },
    })
    this.#options.onPush(message, this)
  }

  #write(message: NacosPayload): void {
    if (!this.signal.aborted) this.#stream?.write(message)
  }

  async #untilAccepted(signal: AbortSignal): Promise<void> {
    while (!(await this.#respondsToCheck(signal))) await sleep(acceptPollMs, signal, true)
  }

  async #respondsToCheck(signal: AbortSignal): Promise<boolean> {
    const response = await this.send({ type: 'HealthCheckRequest', headers: {}, body: {} }, signal)
    return readResponseError(this.#options.name, response) === undefined
  }

  async #checkIdle(): Promise<void> {
    if (performance.now() - this.#activeAt >= idleMs) await this.#check()
  }

  /** Ends the session if the server does not respond. */
  async #check(): Promise<void> {
    // It is not accepted yet, or a check runs.
    if (!this.#timer || this.#checking || this.signal.aborted) return
    this.#checking = true
    const { name, checkTimeoutMs: timeoutMs } = this.#options
    try {
      const isKnown = await withTimeout({ timeoutMs, what: `${name} health check` }, (signal) => this.#respondsToCheck(signal))
      if (!isKnown) this.end(this.#lost('the server no longer knows the connection'))
    } catch (error) {
      this.end(toGrpcError(name, error))
    } finally {
      this.#checking = false
    }
  }

  #lost(why: string): SdError {
    return new SdError('SD_UNAVAILABLE', `${this.#options.name}: ${why}`)
  }
}

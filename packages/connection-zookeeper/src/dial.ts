import { Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as SecureOptions } from 'node:tls'
import { type Credentials, connectionHint, type ServerAddress } from '@sd/adapter-kit'
import { SdError } from '@sd/core'
import { type Client, createClient, type Option } from 'node-zookeeper-client'
import { createFrameReader, replaceUnknownCode } from './frames.ts'

/** What the server knows a session by. */
export interface SessionIdentity {
  readonly id: Buffer
  readonly password: Buffer
}

/** Options of {@link dial}. */
export interface DialOptions {
  readonly endpoint: ServerAddress
  /** Certificates and the name of the server, for TLS. */
  readonly secure: SecureOptions | undefined
  /** For messages. */
  readonly name: string
  readonly sessionTimeoutMs: number
  /** The session to go on with; absent to begin one. */
  readonly identity: SessionIdentity | undefined
  readonly credentials: Credentials | undefined
  /** Limit in milliseconds. */
  readonly timeoutMs: number
  /** Gives up. */
  readonly signal: AbortSignal
}

/** A client of the library for as long as one TCP connection. */
export interface DialedClient {
  readonly client: Client
  /** Fires with an SdError once the connection is lost; it does not come back. */
  readonly lost: AbortSignal
  /** Loses it now. */
  lose(error: SdError): void
}

/** The server does not know the session to go on with any more. */
export const sessionExpired = 'session expired'

// The library can't be told to stop reconnecting, nor to end a socket, and throws out of its socket's listener. This is what has to be
// reached into for that.
interface Manager {
  readonly state: number
  servers: readonly { readonly host: string; readonly port: number }[]
  socket?: Socket
  connect(): void
  setState(state: number): void
  onSocketConnected(): void
  onSocketData(chunk: Buffer): void
  onSocketDrain(): void
  onSocketClosed(hadError: boolean): void
  on(event: 'state', listener: (state: number) => void): void
}

/** States of the library's connection. */
const states = { closed: -2, expired: -3, denied: -4, disconnected: 0, connecting: 1, connected: 2 } as const

/**
 * Connects once. Each connection has a client of its own: the library's reconnecting keeps half-read answers, forgotten requests and every
 * watch, and knows no limit in time. It begins without the last transaction number too, so that a server which came back empty or behind is
 * accepted: it then says that the session is over, or catches up.
 *
 * @throws SdError `SD_UNAVAILABLE` or `SD_DENIED`; {@link sessionExpired}
 */
export async function dial(options: DialOptions): Promise<DialedClient> {
  const { endpoint, name, identity, credentials, sessionTimeoutMs } = options
  const where = `${name} at ${endpoint.host}:${endpoint.port}`
  const client = createClient('placeholder:1', {
    sessionTimeout: sessionTimeoutMs,
    ...(identity && { sessionId: identity.id, sessionPassword: identity.password }),
  } as Partial<Option>)
  const { connectionManager: manager } = client as Client & { readonly connectionManager: Manager }
  // The library's own list has no room for IPv6.
  manager.servers = [{ host: endpoint.host, port: endpoint.port }]
  const controller = new AbortController()
  const { signal: lost } = controller

  function lose(error: SdError): void {
    if (lost.aborted) return
    controller.abort(error)
    // The socket is made a tick after connecting. An error makes the library stop its timer.
    process.nextTick(() => manager.socket?.destroy(error))
  }
  const fail = (what: string, cause?: Error): void => lose(new SdError('SD_UNAVAILABLE', `${where} ${what}`, cause && { cause }))
  let socketError: Error | undefined

  if (options.secure) connectSecurely(manager, { ...options.secure, host: endpoint.host, port: endpoint.port })
  readSafely(manager, lost, (error) => fail('sent what can not be read', error as Error))
  if (credentials) presentCredentials(client, credentials)
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => fail(`does not answer within ${options.timeoutMs} ms`), options.timeoutMs)
    const giveUp = (): void => fail('is no longer wanted')
    const settle = (): void => {
      clearTimeout(timer)
      options.signal.removeEventListener('abort', giveUp)
    }
    lost.addEventListener('abort', () => {
      settle()
      reject(lost.reason)
    })
    manager.on('state', (state) => {
      if (state === states.connected) {
        settle()
        resolve()
      } else if (state === states.expired) {
        reject(sessionExpired)
        fail('ended the session')
      } else if (state === states.denied) {
        lose(new SdError('SD_DENIED', `${where} refused the credentials`))
      } else if (state === states.disconnected || state === states.closed) {
        const hint = connectionHint(socketError)
        const reason = `${socketError?.message}${hint === undefined ? '' : ` (${hint})`}`
        fail(socketError ? `can't be reached: ${reason}` : 'closed the connection', socketError)
      }
    })
    client.connect()
    process.nextTick(() =>
      manager.socket?.on('error', (error) => {
        socketError = error
      }),
    )
    // Called again by the library after a loss.
    manager.connect = () => undefined
    options.signal.addEventListener('abort', giveUp)
    if (options.signal.aborted) giveUp()
  })
  return { client, lost, lose }
}

/** Has the library use a connection with TLS, which it does not know: the same handlers, but for its limit for connecting, which is ours. */
function connectSecurely(manager: Manager, options: SecureOptions): void {
  manager.connect = () => {
    manager.setState(states.connecting)
    process.nextTick(() => {
      const socket = openSecureSocket(options)
      manager.socket = socket
      socket.setNoDelay()
      socket.once('secureConnect', () => manager.onSocketConnected())
      socket.on('data', (chunk) => manager.onSocketData(chunk))
      socket.on('drain', () => manager.onSocketDrain())
      socket.on('close', (hadError) => manager.onSocketClosed(hadError))
      // 'close' follows.
      socket.on('error', () => undefined)
    })
  }
}

/** A key that does not fit its certificate, as while both are being replaced, is thrown: here it is an error of the socket. */
function openSecureSocket(options: SecureOptions): Socket {
  try {
    return connectTls(options)
  } catch (error) {
    const socket = new Socket()
    // After its listeners were added.
    setImmediate(() => socket.destroy(error as Error))
    return socket
  }
}

/** Presents credentials, besides those that were presented before. */
export function presentCredentials(client: Client, { username, password }: Credentials): void {
  client.addAuthInfo('digest', Buffer.from(`${username}:${password}`))
}

/** Hands the library whole frames only, and none that makes it throw. */
function readSafely(manager: Manager, lost: AbortSignal, onError: (error: unknown) => void): void {
  const readFrame = manager.onSocketData.bind(manager)
  const readChunk = createFrameReader((frame) => {
    if (manager.state !== states.connecting) replaceUnknownCode(frame)
    readFrame(frame)
  })
  manager.onSocketData = (chunk) => {
    if (lost.aborted) return
    try {
      readChunk(chunk)
    } catch (error) {
      onError(error)
    }
  }
}

import { Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as SecureOptions } from 'node:tls'
import { type Credentials, connectionHint, type ServerAddress } from '@sd/adapter-kit'
import { SdError } from '@sd/core'
import { type Client, createClient, type Option } from 'node-zookeeper-client'
import { createFrameReader, replaceUnknownCode } from './frames.ts'

/** Identity of a session on the server. */
export interface SessionIdentity {
  readonly id: Buffer
  readonly password: Buffer
}

/** Options of {@link dial}. */
export interface DialOptions {
  readonly endpoint: ServerAddress
  /** Certificates and server name for TLS. */
  readonly secure: SecureOptions | undefined
  /** Name of the owner, for messages. */
  readonly name: string
  readonly sessionTimeoutMs: number
  /** The session to continue; absent for a new one. */
  readonly identity: SessionIdentity | undefined
  readonly credentials: Credentials | undefined
  /** Time limit, in milliseconds. */
  readonly timeoutMs: number
  /** Ends dialing when it aborts. */
  readonly signal: AbortSignal
}

/** A client of the library for a single TCP connection. */
export interface DialedClient {
  readonly client: Client
  /** Aborts with an SdError when the connection fails. It does not reconnect. */
  readonly lost: AbortSignal
  /** When the last complete response arrived, by `performance.now()`. */
  receivedAt(): number
  /** Closes the connection with an error. */
  lose(error: SdError): void
}

/** The server no longer has the session to continue. */
export const sessionExpired = 'session expired'

// The library has no way to stop reconnecting or to end a socket, and throws in its socket's listener. These internal
// members are needed for that.
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
 * Connects once. Each connection has its own client, because the library's reconnecting keeps partial responses,
 * forgotten requests and every watch, and has no time limit. It starts without the last transaction number, to accept a
 * server that restarted empty or lags: that server then reports that the session has expired, or catches up.
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
  // The library's own list does not support IPv6.
  manager.servers = [{ host: endpoint.host, port: endpoint.port }]
  const controller = new AbortController()
  const { signal: lost } = controller

  function lose(error: SdError): void {
    if (lost.aborted) return
    controller.abort(error)
    // The socket is created a tick after connecting. An error makes the library stop its timer.
    process.nextTick(() => manager.socket?.destroy(error))
  }
  const fail = (what: string, cause?: Error): void => lose(new SdError('SD_UNAVAILABLE', `${where} ${what}`, cause && { cause }))
  let socketError: Error | undefined

  if (options.secure) connectSecurely(manager, { ...options.secure, host: endpoint.host, port: endpoint.port })
  const receivedAt = readSafely(manager, lost, (error) => fail('sent a malformed response', error as Error))
  if (credentials) presentCredentials(client, credentials)
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => fail(`did not respond within ${options.timeoutMs} ms`), options.timeoutMs)
    const giveUp = (): void => fail('is no longer needed')
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
        fail(socketError ? `is unreachable: ${reason}` : 'closed the connection', socketError)
      }
    })
    client.connect()
    process.nextTick(() =>
      manager.socket?.on('error', (error) => {
        socketError = error
      }),
    )
    // The library calls this again after a failure.
    manager.connect = () => undefined
    options.signal.addEventListener('abort', giveUp)
    if (options.signal.aborted) giveUp()
  })
  return { client, lost, receivedAt, lose }
}

/**
 * Makes the library use a TLS connection, which it does not support: with the same handlers, except its connect
 * timeout, which is set here.
 */
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

/**
 * A key that does not match its certificate, while both are being replaced, throws. Here it becomes an error of the
 * socket.
 */
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

/** Presents credentials, in addition to those presented before. */
export function presentCredentials(client: Client, { username, password }: Credentials): void {
  client.addAuthInfo('digest', Buffer.from(`${username}:${password}`))
}

/** Passes only complete frames to the library, and none that makes it throw. @returns the time of the last frame */
function readSafely(manager: Manager, lost: AbortSignal, onError: (error: unknown) => void): () => number {
  let receivedAt = performance.now()
  const readFrame = manager.onSocketData.bind(manager)
  const readChunk = createFrameReader((frame) => {
    receivedAt = performance.now()
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
  return () => receivedAt
}

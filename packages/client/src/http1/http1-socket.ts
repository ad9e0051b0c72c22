import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { SdError } from '@sd/core'
import type { TlsCertificates } from '@sd/tls'
import { awaitCertificates } from '../transport/tls-options.ts'
import type { ResolvedHttp1Options } from './http1-options.ts'

/** Where connections go. */
export interface Http1Target {
  readonly host: string
  readonly port: number
  /** Host and port, unless a request has its own `host`. */
  readonly authority: string
  readonly isSecure: boolean
  /** Name that the certificate must have. @default the host */
  readonly serverName: string | undefined
}

/** The TLS session of an earlier connection, which must not outlive its certificates. */
export interface KeptSession {
  certificates: TlsCertificates | undefined
  session: Buffer | undefined
}

/** How a connection is read. */
export interface SocketReading {
  /** Receives bytes, which change afterwards. Returns whether to read on. */
  readonly onRead: (data: Buffer) => boolean
  /** Whether its socket will be handed over: it does not read into the buffer of all then. */
  readonly isHandedOver: boolean
}

/** All clear connections read into it, one after the other: what is kept of a read is copied out. */
const readBuffer = Buffer.allocUnsafeSlow(65_536)

/** @param origin such as `http://10.0.0.1:8080` */
export function readTarget(origin: string, serverName: string | undefined): Http1Target {
  const { protocol, hostname, port, host } = new URL(origin)
  const isSecure = protocol === 'https:'
  return {
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? (isSecure ? 443 : 80) : Number(port),
    authority: host,
    isSecure,
    serverName,
  }
}

/** Connects. @throws the error of the socket, or an SdError if it takes too long */
export async function openSocket(
  target: Http1Target,
  { connectTimeoutMs, certificates }: ResolvedHttp1Options,
  reading: SocketReading,
  kept: KeptSession,
): Promise<Socket> {
  const { isSecure } = target
  const socket = isSecure
    ? openSecure(target, await awaitCertificates(certificates, connectTimeoutMs), kept)
    : openClear(target, reading)
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(connectTimeout(target, connectTimeoutMs)), connectTimeoutMs)
    socket.once('error', reject)
    socket.once('close', () => clearTimeout(timer))
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      socket.off('error', reject)
      resolve()
    })
  })
  if (isSecure || reading.isHandedOver) {
    socket.on('data', (data: Buffer) => {
      if (!reading.onRead(data)) socket.pause()
    })
  }
  return socket
}

const common = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }

function openClear({ host, port }: Http1Target, { onRead, isHandedOver }: SocketReading): Socket {
  const callback = (length: number, buffer: Uint8Array): boolean => onRead((buffer as Buffer).subarray(0, length))
  return connectTcp({ ...common, host, port, ...(!isHandedOver && { onread: { buffer: readBuffer, callback } }) })
}

function openSecure(target: Http1Target, certificates: TlsCertificates, kept: KeptSession): Socket {
  const { host, port } = target
  const serverName = target.serverName ?? host
  if (kept.certificates !== certificates) kept.session = undefined
  kept.certificates = certificates
  const socket = connectTls({
    ...common,
    ...certificates,
    host,
    port,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(serverName) === 0 && { servername: serverName }),
    session: kept.session,
  })
  socket.on('session', (session: Buffer) => {
    if (kept.certificates === certificates) kept.session = session
  })
  return socket
}

function connectTimeout({ authority }: Http1Target, limitMs: number): SdError {
  const message = `No connection to ${authority} within ${limitMs} ms`
  return new SdError('SD_UNAVAILABLE', message, { origin: 'network', retryable: true })
}

import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { checkInteger, checkKnownKeys, checkName, checkObject, invalidError, SdError, toSdError } from '@sd/core'
import { checkTls, createTlsSource, type PemSource, type TlsSource } from '@sd/tls'
import { createAdmin } from './admin.ts'
import { isLoopback } from './http/guard.ts'
import { type AdminOptions, type Authentication, adminKeys } from './options.ts'

/** Port at which an admin endpoint is served by default: beside that of metrics. */
export const DEFAULT_ADMIN_PORT = 9465

/** Certificates of an endpoint. Files and functions are read again when a connection is made. */
export interface AdminTls {
  /** Certificate of the server, with those that lead to its authority. */
  readonly cert: PemSource
  /** Private key of the certificate. */
  readonly key: PemSource
  /** Authorities of client certificates. A client without one of them can't connect. @default none: clients need no certificate */
  readonly ca?: PemSource
}

/** Options of {@link serveAdmin}. */
export interface ServeAdminOptions extends Omit<AdminOptions, 'authenticate'> {
  /** The rule for requests that are answered. Needed for a `host` other than this machine. @default 'loopback' */
  readonly authenticate?: Authentication
  /** TCP port; 0 for any free port. @default 9465 */
  readonly port?: number
  /** Address to listen on; `0.0.0.0` or `::` for all interfaces. @default '127.0.0.1' */
  readonly host?: string
  /** Serves HTTPS. @default HTTP */
  readonly tls?: AdminTls
}

/** A server for the admin endpoint only. */
export interface AdminServer extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number
  /** Such as `http://127.0.0.1:9465`. The paths begin with `/sd/v1`. */
  readonly origin: string
  /**
   * The port to register for an instance at this address, as `ports: { [ADMIN_PORT]: … }`.
   *
   * @returns `undefined` if it listens on this machine only and the address is reached by others
   */
  portAt(address: string): number | undefined
  /** Stops listening, closes all connections and stops counting. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves the admin endpoint of this process on a separate port.
 *
 * @throws SdError `SD_INVALID` that names the option; `SD_UNAVAILABLE` if the server can't listen, or a certificate can't be read
 */
export async function serveAdmin(options: ServeAdminOptions = {}): Promise<AdminServer> {
  checkKnownKeys('', checkObject('options', options), [...adminKeys, 'port', 'host', 'tls'])
  const { port: givenPort = DEFAULT_ADMIN_PORT, host: givenHost = '127.0.0.1', tls, ...rest } = options
  const port = checkInteger('port', givenPort, { min: 0, max: 65_535 })
  const host = checkName('host', givenHost)
  const authenticate = checkOpenDoor(host, options.authenticate)
  const source = tls === undefined ? undefined : readTls(tls)
  const admin = createAdmin({
    ...rest,
    hosts: Array.isArray(rest.hosts) ? [host, ...rest.hosts] : (rest.hosts ?? [host]),
    authenticate,
  })
  const answer: Parameters<typeof createHttpServer>[1] = (request, response) => {
    if (!admin.handler(request, response)) response.writeHead(404).end()
  }
  let servers: Servers
  try {
    servers = source ? await openHttps(source, tls?.ca !== undefined, answer) : openHttp(answer)
    await listen(servers.listening, port, host)
  } catch (error) {
    admin.close()
    throw error
  }
  let closing: Promise<void> | undefined
  function close(): Promise<void> {
    closing ??= new Promise((resolve) => {
      admin.close()
      servers.listening.close(() => resolve())
      servers.http.closeAllConnections()
      if (servers.http !== servers.listening) servers.http.close()
    })
    return closing
  }
  const bound = (servers.listening.address() as AddressInfo).port
  const origin = `${source ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`
  const portAt = (address: string): number | undefined => (isLoopback(host) && !isLoopback(address) ? undefined : bound)
  return { port: bound, origin, portAt, close, [Symbol.asyncDispose]: close }
}

/** What listens, and what has the connections. */
interface Servers {
  readonly listening: TcpServer
  readonly http: Server
}

function openHttp(answer: Parameters<typeof createHttpServer>[1]): Servers {
  const http = createHttpServer(answer)
  return { listening: http, http }
}

/** Certificates are read before the handshake of each connection, so the connections are accepted by a server of their own. */
async function openHttps(
  source: TlsSource,
  needsClientCertificate: boolean,
  answer: Parameters<typeof createHttpServer>[1],
): Promise<Servers> {
  let used = await source.current()
  const clients = needsClientCertificate ? { requestCert: true, rejectUnauthorized: true } : {}
  const http = createHttpsServer({ ...used, ...clients, minVersion: 'TLSv1.2' }, answer)
  // Clients that do not speak TLS.
  http.on('tlsClientError', (_, socket) => socket.destroy())
  // Node.js begins to track connections and their time limits when a server listens, and this one does not itself.
  http.emit('listening')
  const listening = createTcpServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    void source
      .current()
      .then((now) => {
        if (now !== used) http.setSecureContext({ ...now, minVersion: 'TLSv1.2' })
        used = now
      })
      // The certificates before stay in effect.
      .catch(() => undefined)
      .then(() => http.emit('connection', socket))
  })
  return { listening, http }
}

function readTls(tls: AdminTls): TlsSource {
  const { cert, key, ...rest } = checkTls('tls', tls)
  checkKnownKeys('tls', rest, ['ca'])
  if (cert === undefined || key === undefined) throw invalidError('tls', 'neither cert nor key', 'both')
  return createTlsSource({ cert, key, ...rest })
}

/** @throws SdError `SD_INVALID` if others than this machine could ask without credentials */
function checkOpenDoor(host: string, authenticate: Authentication = 'loopback'): Authentication {
  if (authenticate !== 'loopback' || isLoopback(host)) return authenticate
  throw new SdError(
    'SD_INVALID',
    `Invalid authenticate: got none, want { token } or a function, because ${host} can be reached from other machines`,
    { field: 'authenticate' },
  )
}

function listen(server: TcpServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(toSdError(error, 'SD_UNAVAILABLE', `serving the admin endpoint on ${host}:${port}`)))
    // Workers of a cluster share ports otherwise: a request would get the answer of any of them.
    server.listen({ port, host, exclusive: true }, () => resolve())
  })
}

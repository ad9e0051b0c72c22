import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { checkFunction, checkInteger, checkName, checkObject, guardListener, invalidError, toSdError } from '@sd/core'
import { assembleDashboard } from './dashboard.ts'
import { type DashboardOptions, resolveDashboardOptions } from './options.ts'
import { resolveAuthentication } from './security/authentication.ts'
import { createCodeAuthentication } from './security/one-time-code.ts'

/** Options of {@link serveDashboard}. */
export interface ServeDashboardOptions extends Omit<DashboardOptions, 'authenticate' | 'basePath'> {
  /** How users are known. @default a code that is printed, valid for 60 seconds and one login; only on loopback */
  readonly authenticate?: DashboardOptions['authenticate']
  /** TCP port; 0 for any free port. @default 7070 */
  readonly port?: number
  /** Address to listen on. Any other than loopback needs `authenticate` and `hosts`. @default '127.0.0.1' */
  readonly host?: string
  /** Receives each code, with the address of the page. @default one line to stderr */
  readonly onCode?: (code: string, url: string) => void
}

/** A dashboard with its own server. */
export interface DashboardServer extends AsyncDisposable {
  /** Address of the page. */
  readonly url: string
  /** The port it listens on. */
  readonly port: number
  /** Stops listening and closes all connections. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves the dashboard on a port of its own.
 *
 * @throws SdError `SD_INVALID` that names the option: also for another address than loopback without `authenticate`; `SD_UNAVAILABLE`
 * if the server can't listen on the port
 */
export async function serveDashboard(options: ServeDashboardOptions): Promise<DashboardServer> {
  const {
    port: wantedPort,
    host: wantedHost,
    onCode,
    authenticate,
    ...rest
  } = checkObject('options', options) as unknown as ServeDashboardOptions
  const port = checkInteger('port', wantedPort ?? 7070, { min: 0, max: 65_535 })
  const host = checkName('host', wantedHost ?? '127.0.0.1')
  const show = guardListener('onCode', checkFunction('onCode', onCode ?? printCode))
  if (!authenticate && !isLoopback(host))
    throw invalidError('authenticate', authenticate, `a way to authenticate, because ${host} is not loopback`)
  const name = host.includes(':') ? `[${host}]` : host
  const hosts = [...(rest.hosts ?? []), ...(isWildcard(host) ? [] : [name])]
  let url = ''
  const authentication = authenticate
    ? resolveAuthentication(authenticate)
    : createCodeAuthentication({ show: (code) => show(code, url), now: Date.now })
  const dashboard = assembleDashboard(resolveDashboardOptions({ ...rest, hosts }, authentication))
  const server = createServer({ requestTimeout: 30_000 }, dashboard.handler)
  await listen(server, port, host)
  const { port: actual } = server.address() as AddressInfo
  url = `http://${name}:${actual}/`
  authentication.renewCode?.()

  let closing: Promise<void> | undefined
  function close(): Promise<void> {
    closing ??= dashboard.close().then(
      () =>
        new Promise((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        }),
    )
    return closing
  }
  return { url, port: actual, close, [Symbol.asyncDispose]: close }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function printCode(code: string, url: string): void {
  process.stderr.write(`Dashboard: ${url} – code ${code.slice(0, 5)}-${code.slice(5)}, valid for 60 seconds\n`)
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(toSdError(error, 'SD_UNAVAILABLE', `serving the dashboard on ${host}:${port}`)))
    server.listen(port, host, () => resolve())
  })
}

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { checkInteger, checkKnownKeys, checkName, checkObject, invalidError, toSdError } from '@sd/core'
import type { Metrics } from './metrics.ts'

/** Options of {@link serveMetrics}. */
export interface ServeMetricsOptions {
  /** The metrics to serve. */
  readonly metrics: Metrics
  /** TCP port; 0 for any free port. @default 9464 */
  readonly port?: number
  /** Address to listen on; `0.0.0.0` or `::` for all interfaces. @default '127.0.0.1' */
  readonly host?: string
  /** Path of the page. @default '/metrics' */
  readonly path?: string
}

/** A server for metrics only. */
export interface MetricsServer extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number
  /** Stops listening and closes all connections. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves metrics on a separate port, which can stay closed to the outside.
 *
 * @throws SdError `SD_INVALID` that names the option; `SD_UNAVAILABLE` if the server can't listen on the port
 */
export async function serveMetrics(options: ServeMetricsOptions): Promise<MetricsServer> {
  checkKnownKeys('', checkObject('options', options), ['metrics', 'port', 'host', 'path'])
  const { metrics } = options
  const port = checkInteger('port', options.port ?? 9464, { min: 0, max: 65_535 })
  const host = checkName('host', options.host ?? '127.0.0.1')
  const path = checkName('path', options.path ?? '/metrics')
  if (!path.startsWith('/')) throw invalidError('path', path, 'a path that starts with /')
  const server = createServer((request, response) => {
    if (request.url?.split('?', 1)[0] === path) metrics.handler(request, response)
    else response.writeHead(404).end()
  })
  await listen(server, port, host)
  let closing: Promise<void> | undefined
  function close(): Promise<void> {
    closing ??= new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
    return closing
  }
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(toSdError(error, 'SD_UNAVAILABLE', `serving metrics on ${host}:${port}`)))
    server.listen(port, host, () => resolve())
  })
}

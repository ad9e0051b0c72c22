import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toSdError } from '@sd/core'

/** Metrics and health on a port of their own. */
export interface ObserveServer {
  /** Address with the port, such as `http://127.0.0.1:9464`. */
  readonly url: string
  /** Stops listening. */
  close(): Promise<void>
}

/** Responds to a request; `false` if it is for something else. */
export type ObserveHandler = (request: IncomingMessage, response: ServerResponse) => boolean

/** Serves metrics and health. @param address host and port @throws SdError `SD_UNAVAILABLE` if the address can't be bound */
export async function serveObserve(address: string, handler: ObserveHandler): Promise<ObserveServer> {
  const { host, port } = splitAddress(address)
  const server = createServer((request, response) => {
    if (!handler(request, response)) response.writeHead(404).end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(toSdError(error, 'SD_UNAVAILABLE', `observe.address ${address}`)))
    server.listen(port, host, resolve)
  })
  const bound = (server.address() as AddressInfo).port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    },
  }
}

/** Splits `[::1]:8080` into host and port. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

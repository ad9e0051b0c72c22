import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FaultInjection } from '../index.ts'

/** A server whose responses have ten bytes. */
export interface Server {
  /** Address on loopback. */
  readonly port: number
  /** Requests that its handler has received. */
  readonly requests: readonly IncomingMessage[]
  /** Closes it with all connections. */
  close(): Promise<void>
}

/** Starts a server; the path chooses how the body is written. */
export async function serve(faults?: FaultInjection): Promise<Server> {
  const requests: IncomingMessage[] = []
  const server = createServer()
  const listener: Parameters<FaultInjection['handler']>[1] = (request, response) => {
    requests.push(request)
    if (request.url === '/chunks') {
      response.write(Buffer.from('01'))
      response.write('23456', () => response.end(Buffer.from('789')))
    } else if (request.url === '/text') {
      response.write('30313233343536373839', 'hex')
      response.end()
    } else {
      response.end('0123456789')
    }
  }
  server.on('request', faults ? faults.handler('orders', listener) : listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An instance of a service: a server on a real socket. */
export interface Instance {
  readonly service: string
  /** Id, such as `orders-1`. */
  readonly id: string
  readonly version: string
  readonly port: number
  /** Ends the server at once, with its connections, as a crash would. */
  kill(): void
}

/** Starts an instance. It responds with its id, which the gateway does not need. */
export async function startInstance(service: string, id: string, version: string = '1'): Promise<Instance> {
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ service, id, version, path: request.url }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    service,
    id,
    version,
    port: (server.address() as AddressInfo).port,
    kill() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** The file of the registry: the list of all instances, for `@sd/registry-static`. */
export function toServicesFile(instances: readonly Instance[]): string {
  const services = Object.groupBy(instances, ({ service }) => service)
  return JSON.stringify({
    services: Object.fromEntries(
      Object.entries(services).map(([service, list = []]) => [
        service,
        list.map(({ id, port, version }) => ({ id, address: '127.0.0.1', port, version })),
      ]),
    ),
  })
}

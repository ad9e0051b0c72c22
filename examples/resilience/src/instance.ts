import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An instance of a service: a server on a real socket, whose ways can be changed while it runs. */
export interface Instance {
  /** Service of the instance. */
  readonly service: string
  /** Id of the instance. */
  readonly id: string
  /** Port on loopback. */
  readonly port: number
  /** Status of its answers. */
  status: number
  /** How long an answer takes, in milliseconds, beside a few. */
  delayMs: number
  /** Ends it, and what is under way. */
  close(): Promise<void>
}

/** Starts so many instances of a service, called `<service>-1` and so on. */
export function startInstances(service: string, count: number): Promise<readonly Instance[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => startInstance(service, `${service}-${index + 1}`)))
}

async function startInstance(service: string, id: string): Promise<Instance> {
  const server = createServer((_, response) => {
    const { status } = instance
    const answer = (): unknown => response.writeHead(status, { 'content-type': 'application/json' }).end(`{"servedBy":"${id}"}`)
    setTimeout(answer, instance.delayMs + 1 + Math.random() * 3)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const instance: Instance = {
    service,
    id,
    port: (server.address() as AddressInfo).port,
    status: 200,
    delayMs: 0,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return instance
}

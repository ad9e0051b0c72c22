import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFaultInjection, type FaultRule } from '@sd/fault-injection'

/** An instance of a service: a server on a real socket, into which faults can be injected while it runs. */
export interface Instance {
  /** Service of the instance. */
  readonly service: string
  /** Id of the instance. */
  readonly id: string
  /** Port on loopback. */
  readonly port: number
  /** Injects a fault into all of its responses from now on; without one it is healthy again. */
  inject(fault?: FaultRule): void
  /** Closes the instance and its connections. */
  close(): Promise<void>
}

/** Starts this number of instances of a service, named `<service>-1` and so on. */
export function startInstances(service: string, count: number): Promise<readonly Instance[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => startInstance(service, `${service}-${index + 1}`)))
}

async function startInstance(service: string, id: string): Promise<Instance> {
  const faults = createFaultInjection()
  const server = createServer(
    faults.handler(service, (_, response) => {
      const respond = (): unknown => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"servedBy":"${id}"}`)
      setTimeout(respond, 1 + Math.random() * 3)
    }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const instance: Instance = {
    service,
    id,
    port: (server.address() as AddressInfo).port,
    inject: (fault) => faults.configure({ enabled: fault !== undefined, rules: fault ? [fault] : [] }),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return instance
}

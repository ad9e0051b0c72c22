import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registrar } from '@sd/core'

/** An instance of a service: a server on a real socket, whose behavior can be changed while it runs. */
export interface Instance {
  /** Service of the instance. */
  readonly service: string
  /** Id of the instance. */
  readonly id: string
  /** Share of its responses that are 503, from 0 to 1. */
  failureShare: number
  /** Deregisters the instance, and closes its connections. */
  close(): Promise<void>
}

/** Starts and registers one instance for each weight, named `<service>-1` and so on. They respond 401 to calls without the token. */
export function startInstances(
  registrar: Registrar,
  service: string,
  { weights, token }: { readonly weights: readonly number[]; readonly token: string },
): Promise<readonly Instance[]> {
  return Promise.all(
    weights.map(async (weight, index): Promise<Instance> => {
      const id = `${service}-${index + 1}`
      const server = createServer(({ headers }, response) => {
        const isKnown = headers.authorization === `Bearer ${token}`
        response.writeHead(isKnown ? (Math.random() < instance.failureShare ? 503 : 200) : 401).end(id)
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const registration = await registrar.register({ service, id, address: '127.0.0.1', port, weight })
      const instance: Instance = {
        service,
        id,
        failureShare: 0,
        async close() {
          await registration.deregister()
          const closed = once(server, 'close')
          server.close()
          server.closeAllConnections()
          await closed
        },
      }
      return instance
    }),
  )
}

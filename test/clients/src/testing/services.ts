import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient, type ServiceClientOptions } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createRetryPolicy } from '@sd/retry'
import { onTestFinished } from 'vitest'

/** A service of two instances, and a client that retries. */
export interface Services {
  readonly client: ServiceClient
  /** Requests that arrived, as method and path, in order. */
  readonly requests: string[]
  /** Requests that were closed by the client before their response was complete. */
  readonly aborted: string[]
  /** The next requests are answered with 503. */
  failNext(count: number): void
  /** The next requests are never answered. */
  hangNext(count: number): void
}

/** Serves `stock`, and ends with the test. */
export async function serveStock(listener: RequestListener, options: Partial<ServiceClientOptions> = {}): Promise<Services> {
  const registry = createMemoryRegistry()
  const requests: string[] = []
  const aborted: string[] = []
  let [failing, hanging] = [0, 0]
  for (let number = 0; number < 2; number++) {
    const server = createServer((request: IncomingMessage, response) => {
      const name = `${request.method} ${request.url?.split('?')[0]}`
      requests.push(name)
      response.on('close', () => {
        if (!response.writableFinished) aborted.push(name)
      })
      if (failing > 0) {
        failing--
        request.resume()
        response.writeHead(503).end()
      } else if (hanging > 0) hanging--
      else listener(request, response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    await registry.register({ service: 'stock', address: '127.0.0.1', port: (server.address() as AddressInfo).port })
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
  }
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    retry: createRetryPolicy({ backoff: { kind: 'fixed', delayMs: 1 } }),
    ...options,
  })
  onTestFinished(async () => {
    await client.close()
    await discovery.close()
    await registry.close()
  })
  return {
    client,
    requests,
    aborted,
    failNext(count) {
      failing = count
    },
    hangNext(count) {
      hanging = count
    },
  }
}

/** Aborts after a time. */
export function abortIn(ms: number): AbortSignal {
  const controller = new AbortController()
  setTimeout(() => controller.abort(), ms)
  return controller.signal
}

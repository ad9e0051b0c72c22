import { connect, constants } from 'node:http2'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { Pool } from 'undici'
import type { Send } from '../callers/caller.ts'

/** Timeout of a request, in milliseconds. */
const timeoutMs = 5_000

/** A connected caller. */
export interface OpenCaller {
  readonly send: Send
  /** Closes the connections. */
  close(): Promise<void>
}

/** Name of a caller. */
export type CallerName = 'undici' | 'client' | 'http2' | 'clientOverHttp2'

/** Functions that create callers for servers on some ports. */
export const openCallers: Readonly<Record<CallerName, (ports: readonly number[]) => OpenCaller | Promise<OpenCaller>>> = {
  undici([port]) {
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 128 })
    return {
      send: async () => (await pool.request({ path: '/orders/1', method: 'GET' })).body.text(),
      close: () => pool.close(),
    }
  },
  client: (ports) => openClient(ports),
  /** A typical manual solution: one connection, a stream with timeout per request, and concatenated chunks. */
  http2([port]) {
    const session = connect(`http://127.0.0.1:${port}`)
    return {
      send: () =>
        new Promise((resolve, reject) => {
          const stream = session.request({ ':path': '/orders/1' })
          const chunks: Buffer[] = []
          // undici has its own timeouts, this library has none.
          const timer = setTimeout(() => {
            stream.close(constants.NGHTTP2_CANCEL)
            reject(new Error('No response in time'))
          }, timeoutMs)
          stream.on('data', (chunk) => chunks.push(chunk))
          stream.on('end', () => {
            clearTimeout(timer)
            resolve(Buffer.concat(chunks).toString())
          })
          stream.on('error', (error) => {
            clearTimeout(timer)
            reject(error)
          })
        }),
      close: () => new Promise((resolve) => session.close(resolve)),
    }
  },
  clientOverHttp2: ([port = 0]) => openClient([port], 'h2c'),
}

async function openClient(ports: readonly number[], protocol?: string): Promise<OpenCaller> {
  const { client, close } = await createBenchClient(ports, protocol)
  return { send: async () => (await client.get('orders', '/orders/1')).text(), close }
}

/** Creates a client with discovery and a balancer. */
export async function createBenchClient(
  ports: readonly number[],
  protocol: string = 'http',
): Promise<{ readonly client: ServiceClient; close(): Promise<void> }> {
  const registry = createMemoryRegistry()
  await Promise.all(ports.map((port) => registry.register({ service: 'orders', address: '127.0.0.1', port, protocol })))
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), timeoutMs })
  return {
    client,
    async close() {
      await client.close()
      await discovery.close()
      await registry.close()
    },
  }
}

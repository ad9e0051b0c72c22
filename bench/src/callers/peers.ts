import { Agent as HttpAgent } from 'node:http'
import { createRequire } from 'node:module'
import axios from 'axios'
import axiosRetry from 'axios-retry'
import Opossum from 'opossum'
import { Pool } from 'undici'
import type { BrokerOptions, ServiceBroker, ServiceSchema } from '../moleculer.d.ts'
import { order } from '../order.ts'
import type { Send } from './caller.ts'

const require = createRequire(import.meta.url)
// With require(), so that its own types are not loaded.
const moleculer = require('moleculer') as typeof import('../moleculer.d.ts')

/** The baseline of all comparisons. */
export function createUndici([port]: readonly number[]): Send {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 128 })
  return async () => (await pool.request({ path: '/orders/1', method: 'GET' })).body.text()
}

/** Axios, axios-retry and opossum, combined by hand; for one address. */
export function createGlued([port]: readonly number[]): Send {
  const instance = axios.create({
    baseURL: `http://127.0.0.1:${port}`,
    httpAgent: new HttpAgent({ keepAlive: true }),
    responseType: 'text',
    timeout: 5_000,
  })
  axiosRetry(instance, { retries: 2, retryDelay: axiosRetry.exponentialDelay })
  const circuit = new Opossum((path: string) => instance.get<string>(path), {
    timeout: false,
    rollingPercentilesEnabled: false,
    volumeThreshold: 50,
    resetTimeout: 10_000,
  })
  return async () => (await circuit.fire('/orders/1')).data
}

/** The service in moleculer. */
export const orders: ServiceSchema = { name: 'orders', actions: { get: () => order } }

/** Creates a moleculer broker with its breaker and retries. */
export function createBroker(nodeID: string, transporter?: BrokerOptions['transporter']): ServiceBroker {
  return new moleculer.ServiceBroker({
    nodeID,
    logger: false,
    requestTimeout: 5_000,
    circuitBreaker: { enabled: true, minRequestCount: 50 },
    retryPolicy: { enabled: true, retries: 2 },
    ...(transporter && { transporter }),
  })
}

/** Moleculer's own TCP transport, without UDP discovery. @param urls addresses of other nodes */
export function tcp(urls: readonly string[]): NonNullable<BrokerOptions['transporter']> {
  return { type: 'TCP', options: { udpDiscovery: false, useHostname: false, urls } }
}

/** A moleculer call within the process. It includes the work of the service, and uses no network. */
export async function createLocalMoleculer(): Promise<Send> {
  const broker = createBroker('local')
  broker.createService(orders)
  await broker.start()
  return sendWith(broker)
}

/** A moleculer call to another process. */
export async function createRemoteMoleculer(port: number): Promise<Send> {
  const broker = createBroker('caller', tcp([`127.0.0.1:${port}/server`]))
  await broker.start()
  await broker.waitForServices('orders', 20_000)
  return sendWith(broker)
}

function sendWith(broker: ServiceBroker): Send {
  return async () => (await broker.call<typeof order>('orders.get', {})).id
}

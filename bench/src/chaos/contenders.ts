import { readFileSync, watchFile } from 'node:fs'
import { Agent as HttpAgent } from 'node:http'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createServiceClient, resilient, type ServiceClientOptions } from '@sd/client'
import { createAdaptiveLimit } from '@sd/concurrency-limit'
import { createDiscovery, type DiscoveryOptions } from '@sd/discovery'
import { createHedgePolicy } from '@sd/hedge'
import { createOutlierDetection } from '@sd/outlier-detection'
import { createStaticRegistry } from '@sd/registry-static'
import { createRetryPolicy } from '@sd/retry'
import axios from 'axios'
import axiosRetry from 'axios-retry'
import CircuitBreaker from 'opossum'
import { Agent, RetryAgent, request } from 'undici'

/** Deadline of each call in milliseconds. */
export const deadlineMs = 2_000

/** Sends one call. @returns the status @throws errors of the library */
export type Caller = (method: string, signal: AbortSignal) => Promise<number>

/** A way to call a service, with its setup. */
export interface Contender {
  /** Name in the report. */
  readonly name: string
  /** Description of the setup, for the report. */
  readonly setup: string
  /** Creates it. @param file file that lists the instances */
  create(file: string): Caller
}

function ours(options: Partial<ServiceClientOptions>, discoveryOptions: Partial<DiscoveryOptions> = {}): Contender['create'] {
  return (file) => {
    const source = createStaticRegistry({ file })
    const client = createServiceClient({
      discovery: createDiscovery({ source, ...discoveryOptions }),
      balancer: createRoundRobinBalancer(),
      timeoutMs: deadlineMs,
      ...options,
    })
    return async (method) => {
      const response = await client.request('orders', '/', { method })
      await response.bytes()
      return response.status
    }
  }
}

/** A typical manual solution without discovery: polls the file twice a second, and uses the instances in turn. */
function rotate(file: string): () => string {
  let origins: string[] = []
  let next = Math.floor(Math.random() * 1_000)
  function read(): void {
    const { services } = JSON.parse(readFileSync(file, 'utf8')) as { services: { orders: { address: string; port: number }[] } }
    origins = services.orders.map(({ address, port }) => `http://${address}:${port}`)
  }
  read()
  watchFile(file, { interval: 500 }, read)
  return () => origins[next++ % origins.length] ?? 'http://127.0.0.1:1'
}

/** All contenders. */
export const contenders: readonly Contender[] = [
  {
    name: 'defaults',
    setup: 'createServiceClient({ balancer: round robin, timeoutMs: 2_000 })',
    create: ours({}),
  },
  {
    name: 'resilient()',
    setup:
      'createServiceClient({ balancer: P2C, timeoutMs: 2_000, ...resilient({ opossum breaker, retry, hedge, adaptive limit }) }), discovery with outlier detection',
    create: ours(
      {
        balancer: createP2cBalancer(),
        ...resilient({
          breaker: createOpossumBreaker,
          retry: createRetryPolicy,
          hedge: createHedgePolicy,
          concurrencyLimit: createAdaptiveLimit,
        }),
      },
      { monitors: [createOutlierDetection()] },
    ),
  },
  {
    name: 'undici RetryAgent',
    setup: 'new RetryAgent(new Agent()), all defaults; round robin by hand, AbortSignal of the deadline',
    create(file) {
      const origin = rotate(file)
      const dispatcher = new RetryAgent(new Agent())
      return async (method, signal) => {
        const { statusCode, body } = await request(`${origin()}/`, { method: method as 'GET', dispatcher, signal })
        await body.arrayBuffer()
        return statusCode
      }
    },
  },
  {
    name: 'axios + axios-retry + opossum',
    setup:
      'axios with keepAlive; axiosRetry(client, { retries: 3, retryDelay: exponentialDelay }), each retry on the next host by hand; CircuitBreaker(call, { timeout: 3000, errorThresholdPercentage: 50, resetTimeout: 30000 })',
    create(file) {
      const origin = rotate(file)
      const client = axios.create({ httpAgent: new HttpAgent({ keepAlive: true }), proxy: false })
      axiosRetry(client, {
        retries: 3,
        retryDelay: axiosRetry.exponentialDelay,
        onRetry: (_count, _error, config) => {
          config.baseURL = origin()
        },
      })
      const call = async (method: string, signal: AbortSignal): Promise<number> => {
        const { status } = await client.request({ baseURL: origin(), url: '/', method, signal, timeout: deadlineMs })
        return status
      }
      const breaker = new CircuitBreaker(call, { timeout: 3_000, errorThresholdPercentage: 50, resetTimeout: 30_000 })
      return (method, signal) => breaker.fire(method, signal)
    },
  },
]

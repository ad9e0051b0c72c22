import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { fileURLToPath } from 'node:url'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import axios from 'axios'
import got from 'got'
import { Pool } from 'undici'
import { measurePaired } from './paired.ts'
import { perRequest } from './per-request.ts'
import { type Finding, formatRatio } from './report.ts'

const rounds = 15

function sendHttp(origin: string, agent: HttpAgent): Promise<string> {
  return new Promise((resolve, reject) => {
    httpRequest(`${origin}/orders/1`, { agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    })
      .on('error', reject)
      .end()
  })
}

/** Measures a call against raw undici and other clients. */
export async function benchClient(): Promise<readonly Finding[]> {
  const server = fork(fileURLToPath(new URL('./server.ts', import.meta.url)), ['3'])
  const [ports] = (await once(server, 'message')) as [readonly number[]]
  const registry = createMemoryRegistry()
  await Promise.all(ports.map((port) => registry.register({ service: 'orders', address: '127.0.0.1', port })))
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), timeoutMs: 5_000 })
  const origin = `http://127.0.0.1:${ports[0]}`
  const pool = new Pool(origin, { connections: 128 })
  const agent = new HttpAgent({ keepAlive: true })
  const instance = axios.create({ baseURL: origin, httpAgent: agent, responseType: 'text' })
  try {
    const results = await measurePaired(
      [
        perRequest('undici Pool.request', async () => (await pool.request({ path: '/orders/1', method: 'GET' })).body.text()),
        perRequest('@sd/client', async () => (await client.get('orders', '/orders/1')).text()),
        perRequest('node:http, keep-alive', () => sendHttp(origin, agent)),
        perRequest('fetch', async () => (await fetch(`${origin}/orders/1`)).text()),
        perRequest('axios', async () => (await instance.get<string>('/orders/1')).data),
        perRequest('got', () => got(`${origin}/orders/1`, { agent: { http: agent }, retry: { limit: 0 } }).text()),
      ],
      rounds,
    )
    const own = results.find(({ name }) => name === '@sd/client')
    return results.map((result) => {
      const finding = {
        subject: `CPU per request: ${result.name}`,
        measured: `${formatRatio(result)}, ${result.cost.toFixed(0)} µs`,
      }
      if (result === own) return { ...finding, goal: '≤ 1.15 × undici', met: result.ratio <= 1.15 }
      if (!own || ['undici Pool.request', 'node:http, keep-alive'].includes(result.name)) return finding
      return { ...finding, goal: 'above @sd/client', met: result.cost > own.cost }
    })
  } finally {
    await client.close()
    await discovery.close()
    await registry.close()
    await pool.close()
    agent.destroy()
    server.disconnect()
  }
}

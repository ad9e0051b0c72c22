import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { serveAdmin } from '@sd/admin'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createServiceClient } from '@sd/client'
import { createConfig } from '@sd/config'
import { createFileConfigSource } from '@sd/config-file'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import type { ProcessOrder, ProcessReply, SlowDown } from './messages.ts'

// One process of the demonstration: it serves, calls what it needs, and answers at its admin endpoint.

const [{ plan, registryFile, configFolder }] = (await once(process, 'message')) as [ProcessOrder]
const { service, id, needs, rate } = plan
const registry = createStaticRegistry({ file: registryFile, refreshIntervalMs: 500 })
const discovery = createDiscovery({ source: registry })
const config = await createConfig({
  name: 'orders',
  sources: [createFileConfigSource({ directory: configFolder })],
  defaults: { stockTimeoutMs: 500 },
})
const client = createServiceClient({
  discovery,
  balancer: createP2cBalancer(),
  breaker: ({ name }) => createOpossumBreaker({ name, window: { kind: 'time', durationMs: 5_000 }, minimumCalls: 20 }),
  timeoutMs: 2_000,
})
let slowedByMs = 0

/** Calls a service, with the time limit that the configuration has now. */
async function call(needed: string): Promise<void> {
  const { stockTimeoutMs } = config.current as { readonly stockTimeoutMs: number }
  const response = await client.get(needed, `/for/${service}`, needed === 'stock' ? { timeoutMs: stockTimeoutMs } : {})
  await response.text()
}

const server = createServer(async (_request, response) => {
  const failed = await Promise.all(needs.map(call)).catch((error: unknown) => error)
  await delay(2 + Math.random() * 6 + slowedByMs)
  response.writeHead(failed instanceof Error ? 503 : 200).end(id)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const admin = await serveAdmin({
  port: 0,
  authenticate: 'loopback',
  self: { service, instanceId: id },
  controls: { client, allowBreakers: true },
})

const timer = rate > 0 ? setInterval(() => void Promise.allSettled(needs.map(call)), 1_000 / rate) : undefined
process.on('message', ({ delayMs }: SlowDown) => {
  slowedByMs = delayMs
})
// The parent ends it, or has ended.
process.once('disconnect', async () => {
  clearInterval(timer)
  server.closeAllConnections()
  server.close()
  await Promise.all([admin.close(), client.close(), config.close()])
  await discovery.close()
  await registry.close()
})
process.send?.({ port, adminPort: admin.port } satisfies ProcessReply)

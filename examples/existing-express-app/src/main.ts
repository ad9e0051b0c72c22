import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { startServer } from './server.ts'

// Two instances of the app, and a client that calls them by name while one of them shuts down.
const registry = createMemoryRegistry()
const servers = [await startServer(registry), await startServer(registry)]
const discovery = createDiscovery({ source: registry })
const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })

async function greet(name: string): Promise<void> {
  const response = await client.get('greetings', `/greetings/${name}`)
  process.stdout.write(`${response.endpoint.origin}  ${await response.ensureOk().text()}\n`)
}

for (const name of ['Ada', 'Grace', 'Edsger']) await greet(name)
const leaving = servers[0]?.lifecycle.close()
for (const name of ['Barbara', 'Donald', 'Margaret']) await greet(name)
const report = await leaving
process.stdout.write(`left without loss: ${report?.drained}\n`)
await greet('Leslie')

await servers[1]?.lifecycle.close()
await client.close()
await discovery.close()
await registry.close()

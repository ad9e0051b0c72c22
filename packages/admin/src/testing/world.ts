import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Alerts, createAlerts } from '@sd/alerts'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { type Config, createConfig, createMemoryConfigSource } from '@sd/config'
import { type ConfigHistory, createConfigHistory, createMemoryStore } from '@sd/config-history'
import type { Registration, Registry } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import type { AuditEntry } from '../index.ts'
import { type AdminServer, type ServeAdminOptions, serveAdmin } from '../index.ts'

/** A text that no answer may contain. */
export const CANARY = 'c4nary-Zq7xW2'

/** A process with a client, a configuration, alerts and a history, and the service that it calls. */
export interface World extends AsyncDisposable {
  readonly registry: Registry
  readonly client: ServiceClient
  readonly config: Config
  readonly alerts: Alerts
  readonly history: ConfigHistory
  /** The instance `stock-1` of the called service. */
  readonly stock: Registration
  readonly audits: readonly AuditEntry[]
  /** Serves the endpoint of this process, with an audit that is kept. */
  serve(options?: ServeAdminOptions): Promise<AdminServer>
}

/** Starts the world. The service `stock` responds to `/fail` with 500, otherwise with 200. */
export async function startWorld(): Promise<World> {
  const stack = new AsyncDisposableStack()
  const registry = stack.use(createMemoryRegistry())
  const port = await listen(stack, (request, response) =>
    response.writeHead(request.url?.startsWith('/fail') ? 500 : 200).end('ok'),
  )
  const metadata = { team: 'a', 'api-token': CANARY }
  const stock = await registry.register({ service: 'stock', id: 'stock-1', address: '127.0.0.1', port, metadata })
  const discovery = stack.use(createDiscovery({ source: registry }))
  const breaker = () => createCockatielBreaker({ name: 'stock' })
  const client = stack.use(
    createServiceClient({ discovery, balancer: createRoundRobinBalancer(), services: { stock: { breaker } } }),
  )
  const entry = `pool: { size: 5 }\ndb: { password: ${CANARY}, url: "postgres://u:${CANARY}@h/x" }\n`
  const source = stack.use(createMemoryConfigSource({ entries: { 'app.yaml': entry } }))
  const config = stack.use(await createConfig({ name: 'app', sources: [source] }))
  const rule = { name: 'slow', metric: 'm', condition: '>', threshold: 1, durationMs: 0, severity: 'warning' } as const
  const alerts = stack.use(createAlerts({ source: () => [], rules: [rule] }))
  const history = createConfigHistory({
    source: stack.use(createMemoryConfigSource({ entries: {} })),
    key: 'orders.yaml',
    store: createMemoryStore(),
    author: 'test',
    // The endpoint has to mask what a history doesn't.
    masking: false,
  })
  await history.put(`size: 1\ndb: { password: ${CANARY} }\n`)
  await history.put(`size: 2\ndb: { password: ${CANARY}2 }\n`)
  const audits: AuditEntry[] = []
  return {
    registry,
    client,
    config,
    alerts,
    history,
    stock,
    audits,
    async serve(options = {}) {
      return stack.use(await serveAdmin({ port: 0, onAudit: (entry) => void audits.push(entry), ...options }))
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Serves HTTP on a free port of this machine, until the stack is disposed of. */
export async function listen(stack: AsyncDisposableStack, answer: RequestListener): Promise<number> {
  const server: Server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createWebSocket } from '@sd/gateway-websocket'
import { createStaticRegistry } from '@sd/registry-static'
import { WebSocketServer } from 'ws'

/** A process with a service of WebSockets, or with a gateway before the one on a port. It reports its memory when it is asked. */
const servicePort = Number(process.argv[2] ?? 0)
const gateway = servicePort === 0 ? undefined : await startGateway()
const port = gateway ? (gateway.addresses[0]?.port ?? 0) : await startService()

function report(): void {
  globalThis.gc?.()
  process.send?.({ port, rss: process.memoryUsage.rss(), open: gateway?.drainable.remaining().upgraded ?? 0 })
}

process.on('message', report)
process.on('disconnect', () => process.exit())
report()

async function startService(): Promise<number> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true, maxPayload: 64 * 1_048_576 })
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function startGateway() {
  const source = createStaticRegistry({ instances: [{ service: 'chat', address: '127.0.0.1', port: servicePort }] })
  const client = createServiceClient({
    discovery: createDiscovery({ source }),
    balancer: createRoundRobinBalancer(),
    transport: createHttp1Transport(),
  })
  return createGateway({
    client,
    protocols: [createWebSocket({ limits: { client: 100_000 } })],
    table: {
      listeners: [{ name: 'edge', address: '127.0.0.1:0', limits: { connections: 100_000, connectionsPerAddress: 100_000 } }],
      routes: [{ name: 'chat', match: { protocol: 'websocket' }, forward: { service: 'chat' }, options: { pingMs: 10_000 } }],
    },
  })
}

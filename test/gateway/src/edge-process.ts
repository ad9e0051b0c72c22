import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createStaticRegistry } from '@sd/registry-static'
import type { EdgeOptions, EdgeReport } from './edge.ts'

/** The process of an edge: a service, and the gateway or a bare server in front of it. */
const options = JSON.parse(process.argv[2] ?? '{}') as EdgeOptions
const port = options.isBare ? await startBare() : await startGateway(options)
let peakRss = 0

function report(): void {
  const rss = process.memoryUsage.rss()
  const message: EdgeReport = { port, rss, peakRss: Math.max(rss, peakRss) }
  process.send?.(message)
  peakRss = rss
}

setInterval(() => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss())
}, 50).unref()
process.on('message', () => {
  globalThis.gc?.()
  report()
})
process.on('disconnect', () => process.exit())
report()

async function startGateway({ certificate }: EdgeOptions): Promise<number> {
  const server = createServer((request, response) => {
    request.resume()
    if (request.url === '/page') response.setHeader('link', '</style.css>; rel=preload')
    request.on('end', () => response.end('hello from the service\n'))
  })
  const source = createStaticRegistry({ instances: [{ service: 'hello', address: '127.0.0.1', port: await listen(server) }] })
  const client = createServiceClient({
    discovery: createDiscovery({ source }),
    balancer: createRoundRobinBalancer(),
    transport: createHttp1Transport(),
  })
  const gateway = await createGateway({
    client,
    table: {
      listeners: [
        {
          name: 'edge',
          address: '127.0.0.1:0',
          // The client beside a flood has one connection for all of its requests.
          // Slow bodies end within a short flood.
          limits: { requestsPerConnection: 1_000_000, minBodyRate: { windowMs: 2_000 } },
          ...(certificate && { tls: { certificates: [certificate] } }),
        },
      ],
      routes: [{ name: 'hello', forward: { service: 'hello' }, push: true }],
    },
  })
  return gateway.addresses[0]?.port ?? 0
}

async function startBare(): Promise<number> {
  const server = createHttp2Server()
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    stream.resume()
    stream.respond({ ':status': 200 })
    stream.end('hello from the service\n')
  })
  server.on('sessionError', () => {})
  return listen(server)
}

async function listen(server: Server | import('node:http2').Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

// The programs of the contenders, which run on built packages. Each gets the port of the service and sends its own.

const ours = `import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createHttp1Transport, createServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createGateway } from '@sd/gateway'
import { createMemoryRegistry } from '@sd/registry-memory'
const registry = createMemoryRegistry()
await registry.register({ service: 'orders', address: '127.0.0.1', port: Number(process.argv[2]) })
const discovery = createDiscovery({ source: registry })`

const table = `listeners: [{ name: 'edge', address: '127.0.0.1:0', limits: { requestsPerConnection: 1e9 } }]`

/** Our gateway with discovery and a balancer. */
export const gateway: string = `${ours}
const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport: createHttp1Transport() })
const table = { ${table}, routes: [{ name: 'orders', match: { path: '/orders/*' }, forward: { service: 'orders' } }] }
const { addresses } = await createGateway({ client, table })
process.send(addresses[0].port)`

/** The same with breakers for the service and each instance, retries, metrics and a filter. */
export const completeGateway: string = `${ours}
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { resilient } from '@sd/client'
import { createMetrics } from '@sd/metrics-prometheus'
import { createRetryPolicy } from '@sd/retry'
createMetrics()
const policies = resilient({ breaker: createCockatielBreaker, retry: createRetryPolicy })
const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport: createHttp1Transport(), ...policies })
const filters = {
  tenant: () => ({
    onRequest(exchange) { exchange.setHeader('x-tenant-name', exchange.header('x-tenant') ?? 'none') },
    onResponse(exchange, response) { response.setHeader('x-served-by', 'edge') },
  }),
}
const route = { name: 'orders', match: { path: '/orders/*' }, forward: { service: 'orders' }, filters: [{ filter: 'tenant' }] }
const { addresses } = await createGateway({ client, filters, table: { ${table}, routes: [route] } })
process.send(addresses[0].port)`

/** Our gateway with gRPC. */
export const grpcGateway: string = `${ours.replace('port: Number', "protocol: 'grpc', port: Number")}
import { createGrpc } from '@sd/gateway-grpc'
const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
const routes = [{ name: 'carts', match: { protocol: 'grpc', path: '/shop.Carts/*' }, forward: { service: 'orders' } }]
const { addresses } = await createGateway({ client, protocols: [createGrpc()], table: { ${table}, routes } })
process.send(addresses[0].port)`

function streamGateway(protocol: string, create: string): string {
  return `${ours}
const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), transport: createHttp1Transport() })
${create}
const listeners = [{ name: 'edge', address: '127.0.0.1:0'${protocol === 'websocket' ? '' : `, protocols: ['${protocol}']`} }]
const routes = [{ name: 'all', match: { protocol: '${protocol}' }, forward: { service: 'orders' } }]
const { addresses } = await createGateway({ client, protocols: [protocol], table: { listeners, routes } })
process.send(addresses[0].port)`
}

/** Our gateway with TCP. */
export const tcpGateway: string = streamGateway(
  'tcp',
  `import { createTcp } from '@sd/gateway-tcp'
const protocol = createTcp()`,
)

/** Our gateway with UDP. */
export const udpGateway: string = streamGateway(
  'udp',
  `import { createUdp } from '@sd/gateway-udp'
const protocol = createUdp()`,
)

/** Our gateway with WebSocket. */
export const webSocketGateway: string = streamGateway(
  'websocket',
  `import { createWebSocket } from '@sd/gateway-websocket'
const protocol = createWebSocket()`,
)

/** The same gateway with a protocol that passes the bytes of WebSockets on, and reads none of them. */
export const pipeGateway: string = streamGateway(
  'websocket',
  `const protocol = {
  kind: 'upgrade',
  name: 'websocket',
  connect(client, service) {
    for (const [from, to] of [[client, service], [service, client]]) {
      from.on('error', () => to.destroy()).on('end', () => to.end()).on('close', () => to.destroy())
      to.on('drain', () => from.resume())
      from.on('data', (chunk) => to.write(chunk) || from.pause())
    }
    return { beginDrain() { client.destroy() } }
  },
}`,
)

/** The least that a proxy on Node.js does: raw header fields, no streams, no discovery, no checks beside those of the parsers. */
export const bare: string = `import { createServer } from 'node:http'
import { Pool } from 'undici'
const pool = new Pool('http://127.0.0.1:' + process.argv[2], { connections: 128 })
const ofConnection = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade'])
function clean(raw) {
  const kept = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index].toString('latin1')
    if (!ofConnection.has(name.toLowerCase())) kept.push(name, raw[index + 1].toString('latin1'))
  }
  return kept
}
class Relay {
  constructor(response) { this.response = response }
  onRequestStart() {}
  onResponseStart(controller, status, headers, text) { this.response.writeHead(status, text, clean(controller.rawHeaders)) }
  onResponseData(controller, chunk) {
    if (this.response.write(chunk)) return
    controller.pause()
    this.response.once('drain', () => controller.resume())
  }
  onResponseEnd() { this.response.end() }
  onResponseError() { this.response.destroy() }
}
const server = createServer((request, response) => {
  response.sendDate = false
  pool.dispatch({ path: request.url, method: request.method, headers: clean(request.rawHeaders) }, new Relay(response))
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))`

const peer = `import { createRequire } from 'node:module'
const upstream = 'http://127.0.0.1:' + process.argv[2]
const require = createRequire(process.argv[3])`

/** Proxies of others, with the settings of their documentation. */
export const peers: Readonly<Record<string, string>> = {
  '@fastify/http-proxy': `${peer}
const app = require('fastify')()
app.register(require('@fastify/http-proxy'), { upstream, undici: { connections: 128 } })
await app.listen({ host: '127.0.0.1', port: 0 })
process.send(app.server.address().port)`,
  'fast-gateway': `${peer}
const routes = [{ prefix: '', prefixRewrite: '', target: upstream }]
const server = await require('fast-gateway')({ routes }).start(0, '127.0.0.1')
process.send(server.address().port)`,
  httpxy: `${peer}
import { Agent, createServer } from 'node:http'
const proxy = require('httpxy').createProxyServer({ agent: new Agent({ keepAlive: true, maxSockets: 128 }) })
const server = createServer((request, response) => {
  proxy.web(request, response, { target: upstream }).catch(() => response.destroy())
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))`,
}

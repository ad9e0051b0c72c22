import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer, request } from 'node:http'
import { connect, createServer as createHttp2Server, type Http2Session, type OutgoingHttpHeaders } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { onTestFinished } from 'vitest'
import { createGateway, type Gateway, type GatewayOptions } from '../gateway.ts'
import type { UpgradeProtocol } from '../protocol.ts'
import type { GatewayTable, RouteSpec } from '../table/table.ts'

/** Versions of HTTP that a client or a service speaks. */
export type UpgradeVersion = 'http/1.1' | 'h2'

export const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** Passes bytes on, and ends the connection with the word `away` when it drains. */
export function createPipeProtocol(parts: Partial<UpgradeProtocol> = {}): UpgradeProtocol {
  return {
    kind: 'upgrade',
    name: 'websocket',
    connect(client, service) {
      for (const [from, to] of [
        [client, service],
        [service, client],
      ] as const) {
        from.on('error', () => to.destroy())
        from.on('close', () => to.destroy())
        from.pipe(to)
      }
      return { beginDrain: () => void client.write('away') }
    },
    ...parts,
  }
}

/** What the service does. */
export interface UpgradeService {
  readonly heads: Record<string, unknown>[]
  readonly connections: Duplex[]
}

/** A service that accepts upgrades with the fields of the test, or refuses them with 403, and returns what it receives. */
async function startService(version: UpgradeVersion, accept: (key: string) => string | undefined) {
  const service: UpgradeService = { heads: [], connections: [] }
  const serve = (connection: Duplex): void => {
    service.connections.push(connection.on('error', () => {}))
    connection.pipe(connection)
  }
  if (version === 'h2') {
    const server = createHttp2Server({ settings: { enableConnectProtocol: true } })
    server.on('stream', (stream, headers) => {
      service.heads.push(headers)
      stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' })
      serve(stream)
    })
    return { server: server as Server, service }
  }
  const server = createHttpServer()
  server.on('upgrade', ({ headers, method, url }, socket) => {
    service.heads.push({ ...headers, ':method': method, ':path': url })
    const answer = accept(String(headers['sec-websocket-key']))
    const fields = `connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-protocol: chat\r\nsec-websocket-accept: ${answer}`
    socket.write(
      answer === undefined ? 'HTTP/1.1 403 no\r\ncontent-length: 4\r\n\r\nnope' : `HTTP/1.1 101 Yes\r\n${fields}\r\n\r\n`,
    )
    serve(socket)
  })
  return { server: server as Server, service }
}

/** A gateway with a service that accepts upgrades. It ends with the test. */
export interface UpgradeStage {
  readonly gateway: Gateway
  readonly port: number
  readonly service: UpgradeService
  readonly table: (route?: Partial<RouteSpec>) => GatewayTable
  readonly outcomes: TelemetryEvents['sd:v1:gateway:exchange']['outcome'][]
}

let stages = 0

/** Starts them. @param accept what the service makes of the key; it refuses without a result */
export async function startUpgradeStage(
  version: UpgradeVersion,
  options: Partial<GatewayOptions> & { accept?: (key: string) => string | undefined } = {},
): Promise<UpgradeStage> {
  const { accept = acceptOf, ...rest } = options
  const { server, service } = await startService(version, accept)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const instance = { service: 'chat', address: '127.0.0.1', port, protocol: version === 'h2' ? 'h2c' : 'http' }
  const source = createStaticRegistry({ instances: [instance] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), closeTimeoutMs: 100 })
  const listener = `upgrades-${++stages}`
  const table = (route: Partial<RouteSpec> = {}): GatewayTable => ({
    listeners: [{ name: listener, address: '127.0.0.1:0' }],
    routes: [
      { name: 'chat', match: { path: '/chat' }, forward: { service: 'chat' }, ...route },
      { name: 'other', match: { path: '/other' }, forward: { service: 'chat' } },
    ],
  })
  const gateway = await createGateway({ client, table: table(), protocols: [createPipeProtocol()], closeTimeoutMs: 200, ...rest })
  const outcomes: UpgradeStage['outcomes'] = []
  const unsubscribe = subscribeTelemetry('sd:v1:gateway:exchange', ({ exchange, outcome }) => {
    if (exchange.connection.listener === listener) outcomes.push(outcome)
  })
  onTestFinished(async () => {
    unsubscribe()
    await gateway.close()
    await Promise.all([client.close(), discovery.close(), source.close()])
    for (const connection of service.connections) connection.destroy()
    server.close()
  })
  return { gateway, port: gateway.addresses[0]?.port ?? 0, service, table, outcomes }
}

/** The response to an upgrade. */
export interface UpgradeAnswer {
  readonly status: number
  readonly headers: Record<string, unknown>
  /** Absent if it was refused. */
  readonly connection?: Duplex
  readonly body: () => Promise<string>
}

export const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ=='

/** Asks a gateway for an upgrade. */
export function openUpgrade(
  version: UpgradeVersion,
  port: number,
  fields: Record<string, string> = {},
  path = '/chat',
): Promise<UpgradeAnswer> {
  return version === 'h2' ? openOverHttp2(port, fields, path) : openOverHttp1(port, fields, path)
}

async function read(from: Duplex | AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of from) text += chunk
  return text
}

function openOverHttp1(port: number, fields: Record<string, string>, path: string): Promise<UpgradeAnswer> {
  const headers = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': sampleKey, ...fields }
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', path, headers })
    sent.on('upgrade', (response, connection) => {
      connection.on('error', () => {})
      onTestFinished(() => void connection.destroy())
      resolve({ status: response.statusCode ?? 0, headers: response.headers, connection, body: async () => '' })
    })
    sent.on('response', (response) =>
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: () => read(response) }),
    )
    sent.on('error', reject)
    sent.end()
  })
}

async function openOverHttp2(port: number, fields: Record<string, string>, path: string): Promise<UpgradeAnswer> {
  const session: Http2Session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  onTestFinished(() => session.destroy())
  await once(session, 'remoteSettings')
  const headers: OutgoingHttpHeaders = {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': path,
    ':scheme': 'http',
    ...fields,
  }
  const stream = (session as ReturnType<typeof connect>).request(headers)
  stream.on('error', () => {})
  const [head] = (await once(stream, 'response')) as [Record<string, unknown>]
  const status = Number(head[':status'])
  return { status, headers: head, ...(status === 200 && { connection: stream }), body: () => read(stream) }
}

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type Gateway, type GatewayOptions, type GatewayTable } from '@sd/gateway'
import { createMemoryRegistry } from '@sd/registry-memory'
import { onTestFinished } from 'vitest'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import type { WebSocketRouteOptions } from '../route-options.ts'
import { createWebSocket, type WebSocketOptions } from '../websocket.ts'

type MessagesEvent = TelemetryEvents['sd:v1:gateway:messages']

/** What a test starts. */
export interface StageOptions {
  readonly options?: WebSocketRouteOptions
  readonly protocol?: WebSocketOptions
  readonly gateway?: Partial<GatewayOptions>
  /** Each WebSocket of the service. It returns messages by default. */
  readonly onSocket?: (socket: WebSocket) => void
  /** The connection of the service as bytes, after its 101. */
  readonly onConnection?: (connection: Duplex) => void
  /** Response of the service instead of 101. */
  readonly refusal?: string
  /** Serves HTTP/2 instead of HTTP/1.1, as bytes. */
  readonly overHttp2?: boolean
  readonly deflate?: boolean
}

/** A service of WebSockets behind a gateway. It ends with the test. */
export interface Stage {
  readonly gateway: Gateway
  readonly port: number
  readonly servicePort: number
  readonly messages: readonly MessagesEvent[]
  /** The service has sent or received: codes of closed sockets. */
  readonly closes: number[]
  readonly requests: IncomingMessage[]
  table(options?: WebSocketRouteOptions, headMs?: number): GatewayTable
  /** Opens a client, and waits for it. */
  dial(options?: ClientOptions & { readonly path?: string }): Promise<WebSocket>
  /** Sends the head of an upgrade, waits for 101, and returns the rest as bytes. */
  dialRaw(): Promise<RawPeer>
}

/** A connection as bytes. */
export interface RawPeer {
  readonly socket: Duplex
  readonly received: () => Buffer
  /** Number of bytes received. */
  readonly size: () => number
}

/** Collects what a connection receives. */
export function rawPeer(socket: Duplex): RawPeer {
  const chunks: Buffer[] = []
  let size = 0
  socket.on('data', (chunk: Buffer) => {
    size += chunk.length
    chunks.push(chunk)
  })
  socket.on('error', () => {})
  return { socket, received: () => Buffer.concat(chunks), size: () => size }
}

const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ=='

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

let stages = 0

/** Starts it. */
export async function startStage(stage: StageOptions = {}): Promise<Stage> {
  const { options, overHttp2 = false } = stage
  const closes: number[] = []
  const requests: IncomingMessage[] = []
  const server = overHttp2 ? serveHttp2(stage) : serveHttp1(stage, closes, requests)
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const servicePort = (server.address() as AddressInfo).port
  const registry = createMemoryRegistry()
  await registry.register({ service: 'chat', address: '127.0.0.1', port: servicePort, protocol: overHttp2 ? 'h2c' : 'http' })
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer(), closeTimeoutMs: 100 })
  const listener = `chat-${++stages}`
  const table = (route?: WebSocketRouteOptions, headMs = 10_000): GatewayTable => ({
    listeners: [{ name: listener, address: '127.0.0.1:0' }],
    routes: [
      {
        name: 'chat',
        match: { protocol: 'websocket' },
        forward: { service: 'chat' },
        timeouts: { headMs },
        ...(route && { options: { ...route } }),
      },
    ],
  })
  const gateway = await createGateway({
    client,
    discovery,
    table: table(options),
    protocols: [createWebSocket(stage.protocol)],
    closeTimeoutMs: 500,
    ...stage.gateway,
  })
  const messages: MessagesEvent[] = []
  const unsubscribe = subscribeTelemetry('sd:v1:gateway:messages', (event) => {
    if (event.listener === listener) messages.push(event)
  })
  onTestFinished(async () => {
    await gateway.close()
    unsubscribe()
    await Promise.all([client.close(), discovery.close(), registry.close()])
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const port = gateway.addresses[0]?.port ?? 0
  return { gateway, port, servicePort, messages, closes, requests, table, dial: dialer(port), dialRaw: () => dialRaw(port) }
}

function dialer(port: number): Stage['dial'] {
  return async ({ path = '/', ...options } = {}) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options)
    socket.on('error', () => {})
    onTestFinished(() => socket.terminate())
    await once(socket, 'open')
    return socket
  }
}

async function dialRaw(port: number): Promise<RawPeer> {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  onTestFinished(() => void socket.destroy())
  socket.write(
    `GET / HTTP/1.1\r\nhost: chat\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${sampleKey}\r\n\r\n`,
  )
  let head = ''
  while (!head.endsWith('\r\n\r\n')) {
    await once(socket, 'readable')
    for (let byte = socket.read(1); byte !== null; byte = head.endsWith('\r\n\r\n') ? null : socket.read(1)) head += byte
  }
  if (!head.startsWith('HTTP/1.1 101')) throw new Error(head)
  socket.removeAllListeners('readable')
  const peer = rawPeer(socket)
  socket.resume()
  // Node.js decides about the flow in the next turn, because it had a listener of another kind: a pause would be undone.
  await nextTurn()
  return peer
}

/** An extended CONNECT, and the frames on its stream. */
export async function dialHttp2(port: number): Promise<RawPeer> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  onTestFinished(() => session.destroy())
  await once(session, 'remoteSettings')
  const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', ':scheme': 'http' })
  const peer = rawPeer(stream)
  await once(stream, 'response')
  return peer
}

function serveHttp1(
  { onSocket = echo, onConnection, refusal, deflate = false }: StageOptions,
  closes: number[],
  requests: IncomingMessage[],
): Server {
  const server = createServer()
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: deflate })
  server.on('upgrade', (request, connection, head) => {
    requests.push(request)
    connection.on('error', () => {})
    if (refusal !== undefined) connection.end(refusal)
    else if (onConnection) {
      const accept = acceptOf(String(request.headers['sec-websocket-key']))
      connection.write(
        `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      )
      onConnection(connection)
    } else {
      sockets.handleUpgrade(request, connection, head, (socket) => {
        socket.on('error', () => {})
        socket.on('close', (code) => void closes.push(code))
        onSocket(socket)
      })
    }
  })
  return server as Server
}

function serveHttp2({ onConnection = (connection) => void connection.pipe(connection) }: StageOptions): Server {
  const server = createHttp2Server({ settings: { enableConnectProtocol: true } })
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    onConnection(stream)
  })
  return server as Server
}

function echo(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}

/** A frame of a client, with a mask, or of a service. */
export function frame(
  opcode: number,
  payload: string | Buffer = '',
  {
    masked = true,
    fin = true,
    length = -1,
  }: { readonly masked?: boolean; readonly fin?: boolean; readonly length?: number } = {},
): Buffer {
  const body = Buffer.from(payload)
  const size = length < 0 ? body.length : length
  const extended = size < 126 ? Buffer.alloc(0) : size < 65_536 ? Buffer.alloc(2) : Buffer.alloc(8)
  if (extended.length === 2) extended.writeUInt16BE(size)
  if (extended.length === 8) extended.writeBigUInt64BE(BigInt(size))
  const short = extended.length === 0 ? size : extended.length === 2 ? 126 : 127
  const head = Buffer.from([(fin ? 0x80 : 0) | opcode, (masked ? 0x80 : 0) | short])
  const mask = masked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0)
  const sent = masked ? body.map((byte, index) => byte ^ (mask[index & 3] as number)) : body
  return Buffer.concat([head, extended, mask, sent])
}

/** A CLOSE frame of a service. */
export function closeFrame(code: number, reason = '', masked = false): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code)
  payload.write(reason, 2)
  return frame(8, payload, { masked })
}

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

const waitMs = 20_000

/** Something that stays open through the gateway, until one of both sides ends it. */
export interface OpenWork {
  /** Name of the protocol. */
  readonly name: string
  /** Sends something and waits until it comes back. @throws Error if it does not */
  exchange(): Promise<void>
  /** Why it ended; `undefined` while it is open. */
  readonly ended: string | undefined
  /** Ends it. */
  close(): void
}

/** A service that sends back what it gets. */
export interface EchoService {
  /** Name of the service, and of its protocol in routes. */
  readonly name: string
  readonly port: number
  /** Protocol of its instances. */
  readonly protocol: string
  /** Name of the listener of the gateway. */
  readonly listener: string
  /** Opens work through the gateway. */
  open(port: number): Promise<OpenWork>
  close(): void
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Echoes bidirectional calls of gRPC. Messages are not decoded, so that any bytes are one. */
export async function startGrpcEcho(): Promise<EchoService> {
  const server = createHttp2Server()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.pipe(stream)
  })
  const port = await listen(server)
  return {
    name: 'grpc',
    port,
    protocol: 'grpc',
    listener: 'edge',
    open: openGrpc,
    close() {
      server.close()
      for (const session of sessions) session.destroy()
    },
  }
}

async function openGrpc(port: number): Promise<OpenWork> {
  const session: ClientHttp2Session = connectHttp2(`http://127.0.0.1:${port}`)
  let ended: string | undefined
  let hasGoaway = false
  session.on('error', (error) => (ended ??= String(error)))
  session.on('goaway', () => {
    hasGoaway = true
  })
  const stream = session.request({
    ':method': 'POST',
    ':path': '/echo.Echo/Chat',
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  let status: unknown
  stream.on('error', (error) => (ended ??= String(error)))
  stream.on('trailers', (trailers) => {
    status = trailers['grpc-status']
  })
  stream.on('close', () => (ended ??= `status ${status}, ${hasGoaway ? 'after' : 'without'} GOAWAY`))
  return {
    name: 'grpc',
    async exchange() {
      const message = Buffer.from([0, 0, 0, 0, 1, 7])
      stream.write(message)
      const [chunk] = (await once(stream, 'data', { signal: AbortSignal.timeout(waitMs) })) as [Buffer]
      if (!chunk.equals(message)) throw new Error(`gRPC: got ${chunk.toString('hex')}`)
    },
    get ended() {
      return ended
    },
    close() {
      stream.end()
      session.close()
    },
  }
}

/** Echoes messages of WebSocket. */
export async function startWebSocketEcho(): Promise<EchoService> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await once(server, 'listening')
  return {
    name: 'websocket',
    port: (server.address() as AddressInfo).port,
    protocol: 'http',
    listener: 'edge',
    open: openWebSocket,
    close() {
      for (const socket of server.clients) socket.terminate()
      server.close()
    },
  }
}

async function openWebSocket(port: number): Promise<OpenWork> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
  let ended: string | undefined
  socket.on('error', (error) => (ended ??= String(error)))
  socket.on('close', (code) => (ended ??= `code ${code}`))
  await once(socket, 'open', { signal: AbortSignal.timeout(waitMs) })
  return {
    name: 'websocket',
    async exchange() {
      socket.send('hello')
      const [data] = await once(socket, 'message', { signal: AbortSignal.timeout(waitMs) })
      if (String(data) !== 'hello') throw new Error(`WebSocket: got ${data}`)
    },
    get ended() {
      return ended
    },
    close: () => socket.close(),
  }
}

/** Echoes the bytes of TCP connections. */
export async function startTcpEcho(): Promise<EchoService> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.pipe(socket)
  })
  const port = await listen(server)
  return {
    name: 'tcp',
    port,
    protocol: 'tcp',
    listener: 'tcp',
    open: openTcp,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

async function openTcp(port: number): Promise<OpenWork> {
  const socket = connect({ port, host: '127.0.0.1' })
  let ended: string | undefined
  socket.on('error', (error) => (ended ??= String(error)))
  socket.on('end', () => (ended ??= 'end'))
  socket.on('close', () => (ended ??= 'closed'))
  await once(socket, 'connect', { signal: AbortSignal.timeout(waitMs) })
  return {
    name: 'tcp',
    async exchange() {
      socket.write('hello')
      const [data] = await once(socket, 'data', { signal: AbortSignal.timeout(waitMs) })
      if (String(data) !== 'hello') throw new Error(`TCP: got ${data}`)
    },
    get ended() {
      return ended
    },
    close: () => socket.destroy(),
  }
}

/** Echoes datagrams. */
export async function startUdpEcho(): Promise<EchoService> {
  const server = createSocket('udp4').on('message', (message, { address, port }) => server.send(message, port, address))
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    name: 'udp',
    port: server.address().port,
    protocol: 'udp',
    listener: 'udp',
    open: openUdp,
    close: () => server.close(),
  }
}

/** A client of UDP does not learn that its session has ended. A datagram without a response is sent again, as in DNS. */
async function openUdp(port: number): Promise<OpenWork> {
  const socket = createSocket('udp4')
  socket.on('error', () => {})
  return {
    name: 'udp',
    async exchange() {
      const send = (): void => socket.send('hello', port, '127.0.0.1')
      const timer = setInterval(send, 1_000)
      try {
        send()
        await once(socket, 'message', { signal: AbortSignal.timeout(waitMs) })
      } finally {
        clearInterval(timer)
      }
    },
    ended: undefined,
    close: () => socket.close(),
  }
}

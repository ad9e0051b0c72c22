import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

// Services and load for protocols beside requests, in one process that can have a core of its own. Its first message has the
// ports of the services; each further message is a task, each answer its result.

/** The services: each sends back what it gets, but for the last, which reads. */
export interface StreamServices {
  readonly tcp: number
  readonly udp: number
  readonly websocket: number
  readonly sink: number
}

/** What the load does through a proxy. */
export type StreamTask =
  /** Round trips of 64 bytes on 50 connections, or `batch` of them at once. */
  | { readonly kind: 'tcp' | 'websocket' | 'udp'; readonly port: number; readonly trips: number; readonly batch?: number }
  /** Bytes on one connection. */
  | { readonly kind: 'bulk'; readonly port: number; readonly bytes: number }

const connections = 50
const payload = Buffer.alloc(64, 'a')
/** A text frame without a mask, as servers send it. */
const textFrame = Buffer.concat([Buffer.of(0x81, payload.length), payload])
/** The same with a mask of zeros. */
const maskedFrame = Buffer.concat([Buffer.of(0x81, 0x80 | payload.length, 0, 0, 0, 0), payload])
const upgradeHead = [
  'GET / HTTP/1.1',
  'host: chat',
  'connection: upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
  '\r\n',
].join('\r\n')
/** The accept of that key, by RFC 6455, 4.2.2. */
const upgradedHead = [
  'HTTP/1.1 101 Switching Protocols',
  'connection: upgrade',
  'upgrade: websocket',
  'sec-websocket-accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=',
  '\r\n',
].join('\r\n')

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

let received = 0
let onReceived = (): void => {}

function serveSink(socket: Socket): void {
  socket.on('data', (chunk) => {
    received += chunk.length
    onReceived()
  })
}

/** Responds to the upgrade, and to each frame by one without its mask. */
function serveWebSocket(socket: Socket): void {
  let left = -1
  socket.on('data', (chunk) => {
    if (left < 0) {
      left = 0
      socket.write(upgradedHead)
      return
    }
    left += chunk.length
    const frames = Math.floor(left / maskedFrame.length)
    left -= frames * maskedFrame.length
    if (frames > 0) socket.write(frames === 1 ? textFrame : Buffer.concat(new Array<Buffer>(frames).fill(textFrame)))
  })
}

async function startServices(): Promise<StreamServices> {
  const serve = (onSocket: (socket: Socket) => void): Promise<number> =>
    listen(createServer({ noDelay: true }, (socket) => onSocket(socket.on('error', () => {}))))
  const udp = createSocket('udp4').on('message', (message, { address, port }) => udp.send(message, port, address))
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  return {
    tcp: await serve((socket) => socket.on('data', (chunk) => socket.write(chunk))),
    udp: udp.address().port,
    websocket: await serve(serveWebSocket),
    sink: await serve(serveSink),
  }
}

/** Sends a message, and the next one when all bytes of the response have come. */
function pingPong(socket: Socket, message: Buffer, responseBytes: number, trips: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let [left, missing] = [trips, responseBytes]
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection closed: the run is invalid')))
    socket.on('data', (chunk) => {
      missing -= chunk.length
      if (missing > 0) return
      missing = responseBytes
      left--
      if (left > 0) socket.write(message)
      else resolve()
    })
    socket.write(message)
  })
}

async function runConnections(task: Extract<StreamTask, { kind: 'tcp' | 'websocket' | 'udp' }>): Promise<void> {
  const { kind, port, batch = 1 } = task
  const trips = task.trips / connections / batch
  const isWebSocket = kind === 'websocket'
  const [sent, responded] = isWebSocket ? [maskedFrame, textFrame] : [payload, payload]
  const message = Buffer.concat(new Array<Buffer>(batch).fill(sent))
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      await once(socket, 'connect')
      if (!isWebSocket) return socket
      socket.write(upgradeHead)
      const [head] = (await once(socket, 'data')) as [Buffer]
      if (!head.toString('latin1').startsWith('HTTP/1.1 101 ')) throw new Error(`the run is invalid: ${head}`)
      return socket
    }),
  )
  await Promise.all(sockets.map((socket) => pingPong(socket, message, responded.length * batch, trips)))
  for (const socket of sockets) socket.removeAllListeners('close').destroy()
}

/** A datagram that does not come back within a second is sent again. */
function pingPongDatagrams(socket: DatagramSocket, port: number, trips: number): Promise<void> {
  return new Promise((resolve) => {
    let left = trips
    const send = (): void => socket.send(payload, port, '127.0.0.1')
    const timer = setInterval(send, 1_000)
    socket.on('message', () => {
      timer.refresh()
      left--
      if (left > 0) send()
      else {
        clearInterval(timer)
        socket.close(() => resolve())
      }
    })
    send()
  })
}

async function runDatagrams(port: number, trips: number): Promise<void> {
  const sockets = Array.from({ length: connections }, () => createSocket('udp4'))
  await Promise.all(sockets.map((socket) => pingPongDatagrams(socket, port, trips / connections)))
}

async function runBulk(port: number, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(65_536)
  const socket = connect({ port, host: '127.0.0.1' })
  received = 0
  const arrived = new Promise<void>((resolve) => {
    onReceived = () => {
      if (received >= bytes) resolve()
    }
  })
  for (let sent = 0; sent < bytes; sent += chunk.length) if (!socket.write(chunk)) await once(socket, 'drain')
  await arrived
  socket.destroy()
}

async function run(task: StreamTask): Promise<void> {
  if (task.kind === 'bulk') await runBulk(task.port, task.bytes)
  else if (task.kind === 'udp') await runDatagrams(task.port, task.trips)
  else await runConnections(task)
}

if (process.send) {
  process.on('message', async (task: StreamTask) => {
    try {
      await run(task)
      process.send?.({})
    } catch (error) {
      process.send?.({ failure: String(error) })
    }
  })
  process.on('disconnect', () => process.exit())
  process.send(await startServices())
}

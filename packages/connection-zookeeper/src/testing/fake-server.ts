import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

/** A server with responses that a test defines. */
export interface FakeServer {
  readonly port: number
  /** Number of connections so far. */
  readonly connections: () => number
  close(): Promise<void>
}

/** Header of a response. */
export interface ResponseHead {
  readonly xid: number
  readonly code?: number
}

/** Listens on 127.0.0.1. @param onData called with each chunk; `isFirst` for the one that requests a session */
export async function startFakeServer(onData: (socket: Socket, chunk: Buffer, isFirst: boolean) => void): Promise<FakeServer> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    let isFirst = true
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      const wasFirst = isFirst
      isFirst = false
      onData(socket, chunk, wasFirst)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Returns a frame: length and body. */
export function frameOf(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

/** Returns a response that grants a session. */
export function grantSession(timeoutMs: number): Buffer {
  const body = Buffer.alloc(37)
  body.writeInt32BE(timeoutMs, 4)
  body.writeBigInt64BE(42n, 8)
  body.writeInt32BE(16, 16)
  return frameOf(body)
}

/** Returns a response to the request with this xid. */
export function responseFrame({ xid, code = 0 }: ResponseHead, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(16)
  head.writeInt32BE(xid, 0)
  head.writeInt32BE(code, 12)
  return frameOf(Buffer.concat([head, body]))
}

/** Returns the xid of a request. */
export function xidOf(request: Buffer): number {
  return request.readInt32BE(4)
}

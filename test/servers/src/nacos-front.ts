import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { NacosServer } from './nacos.ts'

/** One port in front of a Nacos server for its HTTP and its gRPC port, so that one faulty connection reaches both. */
export interface NacosFront extends AsyncDisposable {
  /** The port on 127.0.0.1. */
  readonly port: number
  /** Ends it and every connection through it. */
  close(): Promise<void>
}

/** First bytes of a connection by HTTP/2, as gRPC uses it. */
const http2Preface = 'PRI'

/** Starts a front. It chooses the port of the server by the first bytes of a connection. */
export async function startNacosFront({ port: httpPort, grpcPort }: Pick<NacosServer, 'port' | 'grpcPort'>): Promise<NacosFront> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  }
  const server = createServer({ noDelay: true }, (client) => {
    keep(client)
    client.once('data', (first) => {
      const target = connect(first.toString('latin1').startsWith(http2Preface) ? grpcPort : httpPort, '127.0.0.1')
      target.setNoDelay()
      keep(target)
      client.once('close', () => target.destroy())
      target.once('close', () => client.destroy())
      target.write(first)
      client.pipe(target).pipe(client)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  async function close(): Promise<void> {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close }
}

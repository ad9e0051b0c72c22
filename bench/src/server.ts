import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { order } from './order.ts'

// The server of the client benchmarks, in a process of its own: answers with an order, on as many ports as asked for, over HTTP/1.1 or clear HTTP/2.
const body = JSON.stringify(order)
const [count = '1', protocol = 'http'] = process.argv.slice(2)
const ports: number[] = []

function answer(_: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
  response.setHeader('content-type', 'application/json')
  response.end(body)
}

function createServer(): ReturnType<typeof createHttpServer> | ReturnType<typeof createHttp2Server> {
  if (protocol === 'h2c') return createHttp2Server(answer)
  const server = createHttpServer(answer)
  server.keepAliveTimeout = 60_000
  return server
}

for (let index = 0; index < Number(count); index++) {
  const server = createServer()
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object' && address) ports.push(address.port)
    if (ports.length === Number(count)) process.send?.(ports)
  })
}
process.on('disconnect', () => process.exit())

import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { order } from './order.ts'

// Server of the client benchmarks, in a separate process: responds with an order, on the given number of ports, over HTTP/1.1 or
// cleartext HTTP/2.
const body = JSON.stringify(order)
const [count = '1', protocol = 'http'] = process.argv.slice(2)
const ports: number[] = []

function respond(_: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
  response.setHeader('content-type', 'application/json')
  response.end(body)
}

function createServer(): ReturnType<typeof createHttpServer> | ReturnType<typeof createHttp2Server> {
  if (protocol === 'h2c') return createHttp2Server(respond)
  const server = createHttpServer(respond)
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

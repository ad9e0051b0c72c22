import { createServer } from 'node:http'
import { order } from './order.ts'

// The server of the client benchmarks, in a process of its own: answers with an order, on as many ports as asked for.
const body = JSON.stringify(order)
const ports: number[] = []
const count = Number(process.argv[2])
for (let index = 0; index < count; index++) {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(body)
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object' && address) ports.push(address.port)
    if (ports.length === count) process.send?.(ports)
  })
}
process.on('disconnect', () => process.exit())

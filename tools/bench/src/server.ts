import { createServer } from 'node:http'

// The server of the client benchmark, in a process of its own: answers with JSON of about 200 bytes, on as many ports as asked for.
const body = JSON.stringify({
  id: 'order-1',
  customer: 'c-123456',
  lines: Array.from({ length: 5 }, (_, index) => ({ sku: `sku-${index}`, count: index })),
})
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

import { createServer } from 'node:http'

// One server of the chaos run: log-normal latency with a median of 10 ms and a 99th percentile of 80 ms.
const port = Number(process.argv[2])
const medianMs = 10
const sigma = Math.log(80 / medianMs) / 2.326

/** Slowdown factor. */
let factor = 1
let fails = false
let isDraining = false

function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
}

const server = createServer((request, response) => {
  request.resume()
  const latencyMs = fails ? 1 : factor * Math.exp(Math.log(medianMs) + sigma * normal())
  setTimeout(() => {
    if (isDraining) response.setHeader('connection', 'close')
    response.statusCode = fails ? 503 : 200
    response.end('{"ok":true}')
  }, latencyMs)
})
server.listen({ port, host: '127.0.0.1', backlog: 511 }, () => process.send?.((server.address() as { port: number }).port))
process.on('message', (message: { factor?: number; fails?: boolean }) => {
  factor = message.factor ?? factor
  fails = message.fails ?? fails
})
process.on('disconnect', () => process.exit())
process.on('SIGTERM', () => {
  // Graceful shutdown: completes requests in progress, and closes keep-alive connections.
  isDraining = true
  server.close(() => process.exit())
  server.closeIdleConnections()
  setTimeout(() => process.exit(), 3_000).unref()
})

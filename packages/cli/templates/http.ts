import { createServer } from 'node:http'
import { createApp } from '@sd/app'

const app = await createApp({ service: 'my-service', registry: process.env['REGISTRY'] ?? 'memory:' })

const server = createServer((request, response) => {
  if (app.handle(request, response)) return // /health/live, /health/ready
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ hello: request.url?.replace('/hello/', '') }))
})

await app.start(server.listen(Number(process.env['PORT'] ?? 3000)))

import { createServer } from 'node:http'
import { createApp } from '@sd/app'
import { readDeadline } from '@sd/core'
import { registry, stock } from './index.ts'

// The service `prices`: `GET /prices/7` responds with `{ "amount": 8 }` if there are less than ten pieces.

const app = await createApp({ service: 'prices', registry, needs: ['stock'] })
const server = createServer(async (request, response) => {
  if (app.handle(request, response)) return
  const id = request.url?.split('/')[2] ?? ''
  try {
    // No longer than the caller waits.
    const { pieces } = await stock(app.client).find(id, { deadlineAt: readDeadline(request.headers) })
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ amount: pieces < 10 ? 8 : 10 }))
  } catch {
    response.writeHead(503).end()
  }
})
await app.start(server.listen(0))

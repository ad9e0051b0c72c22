import { createServer } from 'node:http'
import { createApp } from '@sd/app'
import { registry } from './index.ts'

// The service `stock`: `GET /stock/7` responds with `{ "pieces": 3 }`.

const app = await createApp({ service: 'stock', registry })
const server = createServer((request, response) => {
  if (app.handle(request, response)) return
  response.setHeader('content-type', 'application/json').end('{ "pieces": 3 }')
})
await app.start(server.listen(0))

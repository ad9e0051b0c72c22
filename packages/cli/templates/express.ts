import { createApp } from '@sd/app'
import express from 'express'

const app = await createApp({ service: 'my-service', registry: process.env['REGISTRY'] ?? 'memory:' })
const web = express()
web.use(app.middleware) // /health/live, /health/ready

web.get('/hello/:name', (request, response) => {
  response.json({ hello: request.params.name })
})

await app.start(web.listen(Number(process.env['PORT'] ?? 3000)))

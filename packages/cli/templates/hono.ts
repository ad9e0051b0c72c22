import { serve } from '@hono/node-server'
import { createApp } from '@sd/app'
import { Hono } from 'hono'

const app = await createApp({ service: 'my-service', registry: process.env['REGISTRY'] ?? 'memory:' })
const web = new Hono()
web.use((context, next) => app.respond(context.req.raw) ?? next()) // /health/live, /health/ready

web.get('/hello/:name', (context) => context.json({ hello: context.req.param('name') }))

await app.start(serve({ fetch: web.fetch, port: Number(process.env['PORT'] ?? 3000) }))

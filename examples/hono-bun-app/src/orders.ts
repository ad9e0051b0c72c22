import { createApp } from '@sd/app'
import { prices, registry, stock } from '@sd/example-shop'
import { createMetrics } from '@sd/metrics-prometheus'
import { Hono } from 'hono'

const port = Number(process.env['PORT'] ?? 3000)

const app = await createApp({
  service: 'orders',
  registry,
  needs: ['stock', 'prices'],
  config: { file: 'orders.yaml', defaults: { currency: 'EUR' } },
  metrics: createMetrics(),
})
const web = new Hono()
web.use((context, next) => app.respond(context.req.raw) ?? next())

web.get('/orders/:id', async (context) => {
  const id = context.req.param('id')
  const [item, price] = await Promise.all([stock(app.client).find(id), prices(app.client).find(id)])
  return context.json({ id, pieces: item.pieces, price: `${price.amount} ${app.config.get('currency')}` })
})

await app.start(Bun.serve({ port, fetch: web.fetch }))

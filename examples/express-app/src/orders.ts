import { createApp } from '@sd/app'
import { prices, registry, stock } from '@sd/example-shop'
import { createMetrics } from '@sd/metrics-prometheus'
import express from 'express'

const port = Number(process.env['PORT'] ?? 3000)

const app = await createApp({
  service: 'orders',
  registry,
  needs: ['stock', 'prices'],
  config: { file: 'orders.yaml', defaults: { currency: 'EUR' } },
  metrics: createMetrics(),
})
const web = express()
web.use(app.middleware)

web.get('/orders/:id', async (request, response) => {
  const { id } = request.params
  const [item, price] = await Promise.all([stock(app.client).find(id), prices(app.client).find(id)])
  response.json({ id, pieces: item.pieces, price: `${price.amount} ${app.config.get('currency')}` })
})

await app.start(web.listen(port))

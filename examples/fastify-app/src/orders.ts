import { prices, registry, stock } from '@sd/example-shop'
import { sdFastify } from '@sd/fastify'
import { createMetrics } from '@sd/metrics-prometheus'
import Fastify from 'fastify'

const port = Number(process.env['PORT'] ?? 3000)

const web = Fastify()
await web.register(sdFastify, {
  service: 'orders',
  registry,
  needs: ['stock', 'prices'],
  config: { file: 'orders.yaml', defaults: { currency: 'EUR' } },
  metrics: createMetrics(),
})

web.get<{ Params: { id: string } }>('/orders/:id', async ({ params: { id } }) => {
  const [item, price] = await Promise.all([stock(web.sd.client).find(id), prices(web.sd.client).find(id)])
  return { id, pieces: item.pieces, price: `${price.amount} ${web.sd.config.get('currency')}` }
})

await web.listen({ port, host: '0.0.0.0' })

import { Hono } from 'hono'

const port = Number(process.env['PORT'] ?? 3000)
const { STOCK = 'http://127.0.0.1:3001', PRICES = 'http://127.0.0.1:3002' } = process.env

const web = new Hono()

web.get('/orders/:id', async (context) => {
  const id = context.req.param('id')
  const [item, price] = await Promise.all([
    fetch(`${STOCK}/stock/${id}`).then((found) => found.json() as Promise<{ pieces: number }>),
    fetch(`${PRICES}/prices/${id}`).then((found) => found.json() as Promise<{ amount: number }>),
  ])
  return context.json({ id, pieces: item.pieces, price: `${price.amount} EUR` })
})

Bun.serve({ port, fetch: web.fetch })

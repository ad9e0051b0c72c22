import Fastify from 'fastify'

const port = Number(process.env['PORT'] ?? 3000)
const { STOCK = 'http://127.0.0.1:3001', PRICES = 'http://127.0.0.1:3002' } = process.env

const web = Fastify()

web.get<{ Params: { id: string } }>('/orders/:id', async ({ params: { id } }) => {
  const [item, price] = await Promise.all([
    fetch(`${STOCK}/stock/${id}`).then((found) => found.json() as Promise<{ pieces: number }>),
    fetch(`${PRICES}/prices/${id}`).then((found) => found.json() as Promise<{ amount: number }>),
  ])
  return { id, pieces: item.pieces, price: `${price.amount} EUR` }
})

await web.listen({ port, host: '0.0.0.0' })

import { sdFastify } from '@sd/fastify'
import Fastify from 'fastify'

const web = Fastify()
await web.register(sdFastify, { service: 'my-service', registry: process.env['REGISTRY'] ?? 'memory:' })

web.get<{ Params: { name: string } }>('/hello/:name', async ({ params }) => ({ hello: params.name }))

await web.listen({ port: Number(process.env['PORT'] ?? 3000), host: '0.0.0.0' })

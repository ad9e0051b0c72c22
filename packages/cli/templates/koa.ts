import { createApp } from '@sd/app'
import Koa from 'koa'

const app = await createApp({ service: 'my-service', registry: process.env['REGISTRY'] ?? 'memory:' })
const web = new Koa()
web.use(async (context, next) => {
  if (app.handle(context.req, context.res))
    context.respond = false // /health/live, /health/ready
  else await next()
})

web.use((context) => {
  context.body = { hello: context.path.replace('/hello/', '') }
})

await app.start(web.listen(Number(process.env['PORT'] ?? 3000)))

/** A service to write. */
export interface ServicePlan {
  /** Lower-case letters, digits and hyphens. */
  readonly service: string
  /** URL of the registry, unless `REGISTRY` is set when the service starts. */
  readonly url: string
}

/** A framework for which services are written. */
export interface Framework {
  /** As people write it. */
  readonly title: string
  /** Packages besides `@sd/core` and the registry's. */
  readonly dependencies: readonly string[]
  /** Packages for development besides TypeScript and the types of Node.js. @default none */
  readonly devDependencies?: readonly string[]
  /** Whether it needs a compiler: Node.js runs TypeScript, but not decorators. @default false */
  readonly isCompiled?: boolean
  /** The program. */
  main(plan: ServicePlan): string
}

const port = `Number(process.env['PORT'] ?? 3000)`

function options({ service, url }: ServicePlan): string {
  return `service: '${service}', registry: process.env['REGISTRY'] ?? '${url}'`
}

/** All frameworks, by the value of `--framework`. */
export const frameworks: Readonly<Record<string, Framework>> = {
  express: {
    title: 'Express',
    dependencies: ['@sd/app', 'express'],
    devDependencies: ['@types/express'],
    main: (plan) => `import { createApp } from '@sd/app'
import express from 'express'

const app = await createApp({ ${options(plan)} })
const web = express()
web.use(app.middleware) // /health/live, /health/ready

web.get('/hello/:name', (request, response) => {
  response.json({ hello: request.params.name })
})

await app.start(web.listen(${port}))
`,
  },
  fastify: {
    title: 'Fastify',
    dependencies: ['@sd/fastify', 'fastify'],
    main: (plan) => `import { sdFastify } from '@sd/fastify'
import Fastify from 'fastify'

const web = Fastify()
await web.register(sdFastify, { ${options(plan)} })

web.get<{ Params: { name: string } }>('/hello/:name', async ({ params }) => ({ hello: params.name }))

await web.listen({ port: ${port}, host: '0.0.0.0' })
`,
  },
  nestjs: {
    title: 'NestJS',
    dependencies: ['@nestjs/common', '@nestjs/core', '@nestjs/platform-express', '@sd/nestjs', 'reflect-metadata', 'rxjs'],
    isCompiled: true,
    main: (plan) => `import { Controller, Get, Module, Param } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { SdDrain, SdModule } from '@sd/nestjs'

@Controller('hello')
class HelloController {
  @Get(':name')
  find(@Param('name') name: string): object {
    return { hello: name }
  }
}

const sd = SdModule.forRoot({ ${options(plan)} })

@Module({ imports: [sd], controllers: [HelloController], providers: [SdDrain] })
class AppModule {}

const app = await NestFactory.create(AppModule)
app.enableShutdownHooks([], { useProcessExit: true })
await app.listen(${port})
`,
  },
  hono: {
    title: 'Hono on Node.js',
    dependencies: ['@hono/node-server', '@sd/app', 'hono'],
    main: (plan) => `import { serve } from '@hono/node-server'
import { createApp } from '@sd/app'
import { Hono } from 'hono'

const app = await createApp({ ${options(plan)} })
const web = new Hono()
web.use((context, next) => app.respond(context.req.raw) ?? next()) // /health/live, /health/ready

web.get('/hello/:name', (context) => context.json({ hello: context.req.param('name') }))

await app.start(serve({ fetch: web.fetch, port: ${port} }))
`,
  },
  koa: {
    title: 'Koa',
    dependencies: ['@sd/app', 'koa'],
    devDependencies: ['@types/koa'],
    main: (plan) => `import { createApp } from '@sd/app'
import Koa from 'koa'

const app = await createApp({ ${options(plan)} })
const web = new Koa()
web.use(async (context, next) => {
  if (app.handle(context.req, context.res)) context.respond = false // /health/live, /health/ready
  else await next()
})

web.use((context) => {
  context.body = { hello: context.path.replace('/hello/', '') }
})

await app.start(web.listen(${port}))
`,
  },
  http: {
    title: 'node:http',
    dependencies: ['@sd/app'],
    main: (plan) => `import { createServer } from 'node:http'
import { createApp } from '@sd/app'

const app = await createApp({ ${options(plan)} })

const server = createServer((request, response) => {
  if (app.handle(request, response)) return // /health/live, /health/ready
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ hello: request.url?.replace('/hello/', '') }))
})

await app.start(server.listen(${port}))
`,
  },
}

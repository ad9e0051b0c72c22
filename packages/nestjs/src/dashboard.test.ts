import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { createDashboard } from '@sd/dashboard'
import { createFleet } from '@sd/fleet'
import { createMemoryRegistry } from '@sd/registry-memory'
import { expect, onTestFinished, test } from 'vitest'

class AppModule {}
Module({})(AppModule)

const token = 'a-token-of-24-characters'

function makeDashboard(basePath: string): ReturnType<typeof createDashboard> {
  const registry = createMemoryRegistry()
  const fleet = createFleet({ source: registry })
  const dashboard = createDashboard({ fleet, authenticate: { kind: 'token', token }, basePath })
  onTestFinished(async () => {
    await dashboard.close()
    await fleet.close()
    await registry.close()
  })
  return dashboard
}

/** Status of the session, which answers without a login, and of the model, which does not. */
async function statusesOf(url: string): Promise<readonly number[]> {
  const paths = ['/sd/api/session', '/sd/api/model', '/elsewhere']
  return Promise.all(paths.map(async (path) => (await fetch(url + path)).status))
}

test('the dashboard is a handler of Nest on Express', async () => {
  const app = await NestFactory.create(AppModule, { logger: false })
  onTestFinished(() => app.close())
  app.use('/sd', makeDashboard('').handler)
  await app.listen(0, '127.0.0.1')
  expect(await statusesOf(await app.getUrl())).toEqual([200, 401, 404])
})

test('the dashboard is a hook of Nest on Fastify', async () => {
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: false })
  onTestFinished(() => app.close())
  const dashboard = makeDashboard('/sd')
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', async (request, reply) => {
      if (dashboard.handler(request.raw, reply.raw)) reply.hijack()
    })
  await app.listen(0, '127.0.0.1')
  expect(await statusesOf(await app.getUrl())).toEqual([200, 401, 404])
})

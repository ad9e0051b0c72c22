import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { type INestApplicationContext, type INestMicroservice, Logger } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { type MicroserviceOptions, Transport } from '@nestjs/microservices'
import { freePort } from '@sd/test-servers'
import { afterEach, expect, test, vi } from 'vitest'
import { SdApp, SdClient, SdDrain, SdModule } from './index.ts'
import { closeAll, create, later, listen, openRegistry, quick, rootOf } from './testing/shop.ts'

afterEach(async () => {
  await closeAll()
  vi.restoreAllMocks()
})

const silent = { logger: false, abortOnError: false } as const

async function createMicroservice(root: Parameters<typeof NestFactory.create>[0], port: number): Promise<INestMicroservice> {
  const options = { transport: Transport.TCP as const, options: { host: '127.0.0.1', port } }
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(root, { ...options, ...silent })
  later(() => app.close())
  return app
}

test('a TCP microservice registers the port on which it listens, and leaves at its end', async () => {
  const registry = openRegistry()
  const options = quick({ registry, instance: { address: '127.0.0.1', protocol: 'tcp' } })
  const app = await createMicroservice(rootOf([SdModule.forRoot(options)], [SdDrain]), 0)
  await app.listen()
  await vi.waitFor(() => expect(app.get(SdApp).state).toBe('ready'))
  const { port } = (app.unwrap() as ReturnType<typeof createServer>).address() as { readonly port: number }
  expect((await registry.getInstances('orders')).instances).toMatchObject([{ port, protocol: 'tcp' }])
  await app.close()
  expect((await registry.getInstances('orders')).instances).toEqual([])
  expect(app.get(SdApp).state).toBe('stopped')
})

test('a hybrid application registers its HTTP server, with the ports that the instance names', async () => {
  const registry = openRegistry()
  const tcp = await freePort()
  const options = quick({ registry, instance: { address: '127.0.0.1', ports: { tcp } } })
  const app = await create(rootOf([SdModule.forRoot(options)], [SdDrain]))
  app.connectMicroservice({ transport: Transport.TCP, options: { host: '127.0.0.1', port: tcp } })
  await app.startAllMicroservices()
  const url = await listen(app)
  await vi.waitFor(() => expect(app.get(SdApp).state).toBe('ready'))
  const { instances } = await registry.getInstances('orders')
  expect(instances).toMatchObject([{ port: Number(new URL(url).port), ports: { tcp } }])
})

test('a server of the options is the one that is registered and drained', async () => {
  const registry = openRegistry()
  const server = createHttpServer((_, response) => response.end('own'))
  const root = rootOf([SdModule.forRoot(quick({ registry, server }))])
  const app = await NestFactory.createApplicationContext(root, silent)
  later(() => app.close())
  server.listen(0, '127.0.0.1')
  await vi.waitFor(() => expect(app.get(SdApp).state).toBe('ready'))
  expect(await (await app.get(SdClient).get('orders', '/')).text()).toBe('own')
  await app.close()
  expect(server.listening).toBe(false)
})

test('another server is registered once something listens on the port of the instance', async () => {
  const registry = openRegistry()
  const port = await freePort()
  const options = quick({ registry, instance: { address: '127.0.0.1', port } })
  const app: INestApplicationContext = await NestFactory.createApplicationContext(rootOf([SdModule.forRoot(options)]), silent)
  later(() => app.close())
  expect(app.get(SdApp).state).toBe('created')
  const server = createServer((socket) => socket.end()).listen(port, '127.0.0.1')
  later(() => server.close())
  await vi.waitFor(() => expect(app.get(SdApp).state).toBe('ready'), { timeout: 10_000 })
  expect((await registry.getInstances('orders')).instances).toMatchObject([{ port }])
})

test('a worker without a server only calls, and one that never listens ends at once', async () => {
  vi.spyOn(Logger.prototype, 'error').mockImplementation((message: unknown) => expect.unreachable(String(message)))
  const registry = openRegistry()
  for (const instance of [{}, { address: '127.0.0.1', port: await freePort() }]) {
    const root = rootOf([SdModule.forRoot(quick({ registry, instance }))])
    const app = await NestFactory.createApplicationContext(root, silent)
    await expect(app.get(SdClient).get('stock', '/', { timeoutMs: 100 })).rejects.toThrow('stock')
    await app.close()
    expect(app.get(SdApp).state).toBe('stopped')
  }
  expect((await registry.getInstances('orders')).instances).toEqual([])
})

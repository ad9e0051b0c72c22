import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Controller, Get, Injectable, Logger, Module } from '@nestjs/common'
import { SdError } from '@sd/core'
import type { createMemoryRegistry } from '@sd/registry-memory'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SdApp, SdClient, SdConfig, SdDrain, SdModule } from './index.ts'
import { adapters, closeAll, create, later, listen, openRegistry, quick, rootOf } from './testing/shop.ts'

const errors: string[] = []
beforeEach(() => {
  vi.spyOn(Logger.prototype, 'error').mockImplementation((message: unknown) => void errors.push(String(message)))
})
afterEach(async () => {
  await closeAll()
  vi.restoreAllMocks()
  errors.length = 0
})

/** A database that a request needs, in a module of its own, which is closed early by Nest. */
function makeDatabase(): {
  readonly module: object
  readonly events: string[]
  readonly release: () => void
  readonly arrived: Promise<void>
} {
  const events: string[] = []
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let arrive = (): void => undefined
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve
  })
  @Injectable()
  class Database {
    isOpen = true
    onModuleDestroy(): void {
      this.isOpen = false
      events.push('database closed')
    }
  }
  @Controller('slow')
  class SlowController {
    readonly database: Database
    constructor(database: Database) {
      this.database = database
    }
    @Get()
    async find(): Promise<string> {
      arrive()
      await released
      events.push(`answered, database ${this.database.isOpen ? 'open' : 'closed'}`)
      return 'done'
    }
  }
  class DatabaseModule {}
  Module({ controllers: [SlowController], providers: [Database] })(DatabaseModule)
  return { module: DatabaseModule, events, release: () => release(), arrived }
}

describe.each(Object.entries(adapters))('the end on %s', (_, makeAdapter) => {
  test.each([
    ['SdDrain', [SdDrain]],
    ['what Nest 12 asks the adapter', []],
  ])('comes after the requests under way and before the database, by %s', async (_by, providers) => {
    const registry = openRegistry()
    const { module, events, release, arrived } = makeDatabase()
    const onClose = [() => events.push('onClose')]
    const app = await create(rootOf([SdModule.forRoot(quick({ registry, onClose })), module], providers), makeAdapter())
    const url = await listen(app)
    await vi.waitFor(() => expect(app.get(SdApp).state).toBe('ready'))
    const response = fetch(`${url}/slow`)
    await arrived
    const closing = app.close()
    await vi.waitFor(async () => expect((await registry.getInstances('orders')).instances).toEqual([]))
    expect((await fetch(`${url}/health/ready`).catch(() => undefined))?.status ?? 503).toBe(503)
    expect(events).toEqual([])
    release()
    expect(await (await response).text()).toBe('done')
    await closing
    expect(events).toEqual(['answered, database open', 'database closed', 'onClose'])
    expect(errors).toEqual([])
    await expect(app.get(SdClient).get('stock', '/')).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('answers callers that do not know of it yet, also with return503OnClosing', async () => {
    const registry = openRegistry()
    @Controller()
    class Orders {
      @Get()
      find(): string {
        return 'served'
      }
    }
    class OrdersModule {}
    Module({ controllers: [Orders] })(OrdersModule)
    const options = quick({ registry, lifecycle: { propagationDelayMs: 1_000 } })
    const root = rootOf([SdModule.forRoot(options), OrdersModule])
    const app = await create(root, makeAdapter(), { return503OnClosing: true })
    const url = await listen(app)
    await vi.waitFor(() => expect(app.get(SdApp).state).toBe('ready'))
    const closing = app.close()
    await vi.waitFor(async () => expect((await registry.getInstances('orders')).instances).toEqual([]))
    const late = await fetch(url)
    expect([late.status, await late.text(), late.headers.get('connection')]).toEqual([200, 'served', 'close'])
    await closing
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })

  test('of one that never listened is quick and registers nothing', async () => {
    const registry = openRegistry()
    const app = await create(rootOf([SdModule.forRoot(quick({ registry }))], [SdDrain]), makeAdapter())
    await app.init()
    expect(app.get(SdApp).state).toBe('created')
    await app.close()
    expect(app.get(SdApp).state).toBe('stopped')
    expect((await registry.getInstances('orders')).instances).toEqual([])
    expect(errors).toEqual([])
  })

  test('twice is one end', async () => {
    const ends = vi.fn()
    const app = await create(rootOf([SdModule.forRoot(quick({ registry: openRegistry(), onClose: [ends] }))]), makeAdapter())
    await listen(app)
    await Promise.all([app.close(), app.close()])
    await app.close()
    expect(ends).toHaveBeenCalledOnce()
    expect(errors).toEqual([])
  })

  test('after a port that is in use leaves nothing registered', async () => {
    const registry = openRegistry()
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    later(() => other.close())
    const app = await create(rootOf([SdModule.forRoot(quick({ registry }))]), makeAdapter())
    await expect(app.listen((other.address() as AddressInfo).port, '127.0.0.1')).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(app.get(SdApp).state).toBe('created')
    await app.close()
    expect(app.get(SdApp).state).toBe('stopped')
    expect((await registry.getInstances('orders')).instances).toEqual([])
  })
})

test('a module that ends may still call and read configuration', async () => {
  const seen: unknown[] = []
  @Injectable()
  class Flusher {
    readonly config: SdConfig
    readonly client: SdClient
    constructor(config: SdConfig, client: SdClient) {
      this.config = config
      this.client = client
    }
    async onApplicationShutdown(): Promise<void> {
      seen.push(this.config.current)
      await this.client.get('stock', '/').catch(({ code }: SdError) => seen.push(code))
    }
  }
  class FlusherModule {}
  Module({ providers: [Flusher] })(FlusherModule)
  const options = quick({ registry: openRegistry(), config: { env: false, defaults: { a: 1 } } })
  const app = await create(
    rootOf([SdModule.forRoot({ ...options, client: { retry: undefined } as object }), FlusherModule], [SdDrain]),
  )
  await listen(app)
  await app.close()
  expect(seen).toEqual([{ a: 1 }, 'SD_NO_INSTANCE'])
})

describe('a registry that', () => {
  test('is unreachable delays the registration, not the start', async () => {
    const registry = openRegistry()
    registry.setConnected(false)
    const app = await create(rootOf([SdModule.forRoot(quick({ registry }))]))
    await listen(app)
    await vi.waitFor(() => expect(app.get(SdApp).state).toBe('ready'))
    registry.setConnected(true)
    await vi.waitFor(async () => expect((await registry.getInstances('orders')).instances).toHaveLength(1), { timeout: 10_000 })
  })

  test('refuses the instance is logged once, and the application keeps serving', async () => {
    const registry = refusing()
    const app = await create(rootOf([SdModule.forRoot(quick({ registry }))]))
    const url = await listen(app)
    await vi.waitFor(() => expect(errors).toEqual(['orders is not registered: the token has no such right']))
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
    expect((await fetch(`${url}/health/ready`)).status).toBe(503)
    await app.close()
    expect(errors).toHaveLength(1)
  })

  test('refuses the instance ends the process with failOnRefusal', async () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    const app = await create(rootOf([SdModule.forRoot(quick({ registry: refusing(), failOnRefusal: true }))]))
    await listen(app)
    await vi.waitFor(() => expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGTERM'))
    expect(process.exitCode).toBe(1)
    process.exitCode = undefined
  })

  test('is slow has the registration taken back by an end during the start', async () => {
    const registry = openRegistry()
    const { register } = registry
    let begun = false
    vi.spyOn(registry, 'register').mockImplementation(async (...values) => {
      begun = true
      await new Promise((resolve) => setTimeout(resolve, 50))
      return register(...values)
    })
    const app = await create(rootOf([SdModule.forRoot(quick({ registry }))], [SdDrain]))
    await listen(app)
    await vi.waitFor(() => expect(begun).toBe(true))
    await app.close()
    expect((await registry.getInstances('orders')).instances).toEqual([])
    expect(errors).toEqual([])
  })
})

function refusing(): ReturnType<typeof createMemoryRegistry> {
  const registry = openRegistry()
  vi.spyOn(registry, 'register').mockRejectedValue(new SdError('SD_DENIED', 'the token has no such right'))
  return registry
}

test('a process that only calls registers nothing', async () => {
  const registry = openRegistry()
  const app = await create(rootOf([SdModule.forRoot(quick({ registry, isRegistered: false }))]))
  const url = await listen(app)
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  expect(app.get(SdApp).state).toBe('created')
})

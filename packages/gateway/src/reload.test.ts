import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { freePort, probePort, startConstantLoad } from '@sd/test-servers'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { GatewayTable, ListenerSpec } from './table/table.ts'
import { RawClient } from './testing/raw-client.ts'
import { openCaller, openShop, portOf, tableOf } from './testing/start-shop.ts'

function listenersOf(...listeners: readonly ListenerSpec[]): GatewayTable {
  return {
    listeners,
    routes: listeners.map(({ name }) => ({ name, listeners: [name], respond: { status: 200, body: name } })),
  }
}

/** A port that is in use until the test ends. */
async function occupyPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

function isOpen(port: number): Promise<boolean> {
  return probePort(port).then(
    () => true,
    () => false,
  )
}

test('the change names routes and listeners that were added, changed and removed', async () => {
  const shop = openShop()
  const gateway = await shop.startGateway(tableOf('orders', 'carts', 'users'))
  const port = portOf(gateway)
  const { listeners, routes } = tableOf('orders', 'carts', 'stock')
  const change = await gateway.configure({
    listeners: [...listeners, { name: 'second', address: '127.0.0.1:0' }],
    routes: routes.map((route) => (route.name === 'carts' ? { ...route, timeouts: { headMs: 100 } } : route)),
  })
  expect(change).toEqual({
    version: 2,
    routes: { added: ['stock'], changed: ['carts'], removed: ['users'], unchanged: ['orders'] },
    listeners: { added: ['second'], changed: [], removed: [], unchanged: ['edge'] },
  })
  expect(gateway.version).toBe(2)
  expect(portOf(gateway)).toBe(port)
})

test('a request ends with the table that it began with, and the next one on its connection uses the new table', async () => {
  const shop = openShop()
  const { promise: begun, resolve: begin } = Promise.withResolvers<() => void>()
  await shop.startInstance('orders', (_, response) => {
    response.write('old ')
    begin(() => response.end('table'))
  })
  const gateway = await shop.startGateway(tableOf('orders'))
  const caller = openCaller(1)
  const port = portOf(gateway)
  const first = caller.get(port, '/orders')
  const finish = await begun
  await gateway.configure({ ...tableOf('orders'), routes: [{ name: 'orders', respond: { status: 200, body: 'new table' } }] })
  finish()
  expect((await first).body).toBe('old table')
  expect((await caller.get(port, '/orders')).body).toBe('new table')
})

test('50 tables under load: every response is that of a whole table', { timeout: 60_000 }, async () => {
  const shop = openShop()
  await shop.startInstance('orders')
  await shop.startInstance('carts')
  const gateway = await shop.startGateway(tableOf('orders', 'carts'))
  const port = portOf(gateway)
  const caller = openCaller()
  const load = startConstantLoad(300, async () => {
    const { status, body } = await caller.get(port, '/orders')
    if (status !== 200 || !['orders', 'carts'].includes(body)) throw new Error(`${status}: ${body}`)
  })
  for (let round = 0; round < 50; round++) {
    const before = load.calls
    await vi.waitUntil(() => load.calls > before, { timeout: 20_000, interval: 1 })
    const { listeners, routes } = tableOf('orders', 'carts')
    const other = routes.map((route) => ({ ...route, forward: { service: round % 2 === 0 ? 'carts' : 'orders' } }))
    const extra = round % 5 === 0 ? [{ name: 'extra', address: '127.0.0.1:0' }] : []
    const limits = { streamsPerConnection: 100 + round }
    await gateway.configure({ listeners: [...listeners.map((listener) => ({ ...listener, limits })), ...extra], routes: other })
  }
  await load.stop()
  expect(load.failures).toEqual([])
  expect(gateway.version).toBe(51)
})

describe('a table that fails', () => {
  test('changes nothing, whichever part of it is wrong', async () => {
    const shop = openShop()
    await shop.startInstance('orders')
    const used = await occupyPort()
    const table = tableOf('orders')
    const gateway = await shop.startGateway(table)
    const caller = openCaller()
    const { listeners, routes } = table
    const [listener] = listeners as [ListenerSpec]
    const wrongListener = fc.constantFrom<Partial<ListenerSpec>>(
      { address: 'nowhere' },
      { address: '127.0.0.1:65536' },
      { address: `127.0.0.1:${used}` },
      { trustedProxies: ['10.0.0.0/33'] },
      { tls: { certificates: [{ cert: { file: '/nowhere/tls.crt' }, key: { file: '/nowhere/tls.key' } }] } },
      { tls: { certificates: [{ cert: 'nowhere', key: 'nowhere' }] } },
    )
    const wrong = fc.oneof(
      fc.tuple(wrongListener, fc.boolean()).map(([part, isNew]) => {
        const bad = { ...listener, ...part, name: isNew ? 'bad' : 'edge' }
        return { listeners: isNew ? [...listeners, { name: 'good', address: '127.0.0.1:0' }, bad] : [bad], routes }
      }),
      fc.constant({ listeners, routes: [...routes, { name: '', forward: { service: 'orders' } }] }),
    )
    await fc.assert(
      fc.asyncProperty(wrong, async (bad) => {
        const before = gateway.addresses
        await expect(gateway.configure(bad)).rejects.toMatchObject({
          code: expect.stringMatching(/^SD_(?:INVALID|UNAVAILABLE)$/),
        })
        expect(gateway.version).toBe(1)
        expect(gateway.addresses).toEqual(before)
        expect((await caller.get(portOf(gateway), '/orders')).body).toBe('orders')
      }),
      { numRuns: 30 },
    )
  })

  test('closes what was bound for it', async () => {
    const shop = openShop()
    const gateway = await shop.startGateway(tableOf())
    const [good, used] = [await freePort(), await occupyPort()]
    const { listeners } = tableOf()
    const table = listenersOf(
      ...listeners,
      { name: 'good', address: `127.0.0.1:${good}` },
      { name: 'bad', address: `127.0.0.1:${used}` },
    )
    await expect(gateway.configure(table)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    expect(await isOpen(good)).toBe(false)
  })

  test('does not stop the tables behind it, which are applied in order', async () => {
    const shop = openShop()
    const gateway = await shop.startGateway(tableOf('orders'))
    const results = await Promise.allSettled([
      gateway.configure(tableOf('a')),
      gateway.configure({ listeners: [{ name: 'edge', address: 'nowhere' }], routes: [] }),
      gateway.configure(tableOf('b')),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[2]).toMatchObject({ value: { version: 3, routes: { added: ['b'], removed: ['a'] } } })
  })
})

describe('listeners', () => {
  test('two swap their addresses, also for connections that are open', async () => {
    const [one, two] = [await freePort(), await freePort()]
    const shop = openShop()
    const a = { name: 'a', address: `127.0.0.1:${one}` }
    const b = { name: 'b', address: `127.0.0.1:${two}` }
    const gateway = await shop.startGateway(listenersOf(a, b))
    const caller = openCaller(1)
    expect((await caller.get(one, '/')).body).toBe('a')
    expect((await caller.get(two, '/')).body).toBe('b')
    const { listeners } = await gateway.configure(listenersOf({ ...a, address: b.address }, { ...b, address: a.address }))
    expect(listeners.changed).toEqual(['a', 'b'])
    expect((await caller.get(one, '/')).body).toBe('b')
    expect((await caller.get(two, '/')).body).toBe('a')
    expect(portOf(gateway, 'a')).toBe(two)
  })

  test('one with port 0 keeps its port under new settings', async () => {
    const shop = openShop()
    const edge = { name: 'edge', address: '127.0.0.1:0' }
    const gateway = await shop.startGateway(listenersOf(edge))
    const port = portOf(gateway)
    await gateway.configure(listenersOf({ ...edge, limits: { headers: 20 } }, { name: 'other', address: '127.0.0.1:0' }))
    expect(portOf(gateway)).toBe(port)
    expect(portOf(gateway, 'other')).not.toBe(port)
  })

  test('one that is removed refuses connections, and finishes its requests', async () => {
    const shop = openShop()
    const { promise: begun, resolve: begin } = Promise.withResolvers<() => void>()
    await shop.startInstance('orders', (_, response) => {
      response.write('a ')
      begin(() => response.end('whole response'))
    })
    const edge = { name: 'edge', address: '127.0.0.1:0' }
    const old = { name: 'old', address: '127.0.0.1:0' }
    const routes = [{ name: 'orders', forward: { service: 'orders' } }]
    const gateway = await shop.startGateway({ listeners: [edge, old], routes })
    const port = portOf(gateway, 'old')
    const answer = openCaller().get(port, '/')
    const finish = await begun
    await gateway.configure({ listeners: [edge], routes })
    // What is in the queue of the system is accepted before.
    await vi.waitFor(async () => expect(await isOpen(port)).toBe(false), 20_000)
    finish()
    expect((await answer).body).toBe('a whole response')
  })

  test('requests on one that is removed are cut after the time limit', async () => {
    const shop = openShop()
    await shop.startInstance('orders', (_, response) => void response.write('a stream'))
    const edge = { name: 'edge', address: '127.0.0.1:0' }
    const old = { name: 'old', address: '127.0.0.1:0' }
    const routes = [{ name: 'orders', forward: { service: 'orders' } }]
    const gateway = await shop.startGateway({ listeners: [edge, old], routes }, { reloadDrainMs: 50 })
    const answer = openCaller().get(portOf(gateway, 'old'), '/')
    answer.catch(() => {})
    await expect.poll(() => gateway.drainable.remaining().requests, { timeout: 10_000 }).toBe(1)
    await gateway.configure({ listeners: [edge], routes })
    await expect(answer).rejects.toThrow()
    await expect.poll(() => gateway.drainable.remaining().requests, { timeout: 10_000 }).toBe(0)
  })
})

test('tables and rejected tables are published', async () => {
  const events: TelemetryEvents['sd:v1:gateway:reload'][] = []
  onTestFinished(
    subscribeTelemetry('sd:v1:gateway:reload', (event) => void (event.gateway === 'published' && events.push(event))),
  )
  const shop = openShop()
  const gateway = await shop.startGateway(tableOf('orders'), { name: 'published' })
  await gateway.configure(tableOf('carts'))
  await expect(gateway.configure({ listeners: [{ name: 'edge', address: 'nowhere' }], routes: [] })).rejects.toThrow()
  expect(events).toMatchObject([
    { version: 1, change: { routes: { added: ['orders'] }, listeners: { added: ['edge'] } } },
    { version: 2, change: { routes: { added: ['carts'], removed: ['orders'] }, listeners: { unchanged: ['edge'] } } },
    { version: 2, error: { code: 'SD_INVALID' } },
  ])
  expect(events[2]).not.toHaveProperty('change')
})

test('connections that wait in the queue of a listener when a reload removes it get their responses', async () => {
  const shop = openShop()
  const table = listenersOf({ name: 'kept', address: '127.0.0.1:0' }, { name: 'removed', address: '127.0.0.1:0' })
  const gateway = await shop.startGateway(table)
  const port = gateway.addresses.find(({ listener }) => listener === 'removed')?.port ?? 0
  const clients = Array.from({ length: 200 }, () => new RawClient(port).send('GET / HTTP/1.1\r\nhost: shop\r\n\r\n'))
  await gateway.configure({ listeners: table.listeners.slice(0, 1), routes: table.routes.slice(0, 1) })
  const texts = await Promise.all(clients.map(({ closed }) => closed))
  expect(texts.filter((text) => !text.startsWith('HTTP/1.1 '))).toEqual([])
})

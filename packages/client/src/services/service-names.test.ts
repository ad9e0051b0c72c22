import { eventually } from '@sd/testing'
import { request, upgrade } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createUpgradeConnection, serviceOrigin } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

const names = [
  'orders',
  'Orders',
  'ORDERS.PROD',
  'a_b',
  '_orders._tcp.example',
  'shop/orders',
  'DEFAULT_GROUP@@orders',
  'providers:org.example.Orders:1.0:',
  'billing:v2',
  '10',
  '1.2.3.4',
  '0x7f',
  'über',
  '注文',
  'a b',
  'a?b#c',
  'a%2Fb',
  '[::1]',
  'user:pass@host',
  '..',
  '-a-',
  'xn--a',
  'sd-name.x',
  'sd-name.n6f',
  'x'.repeat(250),
]

test.each(names)('the service %j is reached by fetch, the dispatcher, upgrades and forward', async (service) => {
  const server = await world.serve(({ url }, response) => response.end(url), { service })
  server.on('upgrade', (_, socket) =>
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n'),
  )
  const client = world.client()
  const origin = serviceOrigin(service)
  // It is an origin: no part of the name becomes a path or is dropped.
  expect(new URL(origin).pathname + new URL(origin).search + new URL(origin).username).toBe('/')
  expect(await (await client.fetch(`${origin}/a?b`)).text()).toBe('/a?b')
  expect(await (await client.fetch(new URL('/c', origin))).text()).toBe('/c')
  expect(await (await request(`${origin}/d?e`, { dispatcher: client.dispatcher })).body.text()).toBe('/d?e')
  const { socket } = await upgrade(`${origin}/`, { dispatcher: client.dispatcher, protocol: 'test' })
  socket.destroy()
  const text = await new Promise((resolve, reject) => {
    let received = ''
    client.forward(
      { service, method: 'GET', path: '/f' },
      {
        onResponse: () => undefined,
        onData: (chunk) => {
          received += Buffer.from(chunk)
        },
        onEnd: () => resolve(received),
        onError: reject,
      },
    )
  })
  expect(text).toBe('/f')
  const connection = createUpgradeConnection(client, service)
  connection.on('error', () => undefined)
  connection.destroy()
  await eventually(() => expect(world.active(service)).toBe(0), 3_000)
})

test('two names never have the same origin', () => {
  const all = [...names, `sd-name.n${Buffer.from('Orders').toString('hex')}`]
  expect(new Set(all.map((name) => serviceOrigin(name))).size).toBe(all.length)
})

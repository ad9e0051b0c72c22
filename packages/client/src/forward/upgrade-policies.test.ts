import type { Socket } from 'node:net'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { createBulkhead } from '@sd/concurrency-limit'
import { type Balancer, type CallPickRequest, type Endpoint, subscribeTelemetry } from '@sd/core'
import { eventually } from '@sd/testing'
import { upgrade } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createUpgradeConnection } from '../index.ts'
import { forward } from '../testing/forwarded.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

const switching = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n'

async function serveUpgrades(id: string, onUpgrade = (socket: Socket) => void socket.write(switching)): Promise<void> {
  const server = await world.serve((_, response) => response.end(), { id })
  server.on('upgrade', (_, socket) => {
    socket.on('error', () => undefined)
    onUpgrade(socket as Socket)
  })
}

/**
 * Picks by a field of the request, as sticky, consistent-hashing and geographic balancers do, and records the pick
 * requests.
 */
function createFieldBalancer(requests: CallPickRequest[]): Balancer {
  return {
    name: 'field',
    createPicker: ({ endpoints }) => ({
      pick(request): Endpoint | undefined {
        requests.push(request as CallPickRequest)
        return endpoints[Number((request as CallPickRequest).headers?.['x-user'] ?? 0) % endpoints.length]
      },
    }),
  }
}

test('a balancer sees header fields, method, path and service of an upgrade, for every kind of client', async () => {
  for (const id of ['0', '1', '2']) await serveUpgrades(id)
  const requests: CallPickRequest[] = []
  const client = world.client({ balancer: createFieldBalancer(requests) })
  for (const user of ['2', '2', '1', '0', '1']) {
    const { socket } = await upgrade('http://orders/chat', {
      dispatcher: client.dispatcher,
      protocol: 'test',
      headers: { 'x-user': user },
    })
    socket.destroy()
    const seen = forward(client, { path: '/chat', upgrade: 'test', rawHeaders: ['x-user', user] })
    await seen.ended
    seen.socket?.destroy()
    expect(seen.socket).toBeDefined()
    const connection = createUpgradeConnection(client, 'orders')
    connection.on('error', () => undefined)
    connection.write(`GET /chat HTTP/1.1\r\nhost: orders\r\nx-user: ${user}\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n`)
    await new Promise((resolve) => connection.once('data', resolve))
    connection.destroy()
  }
  expect(requests.map(({ headers }) => headers?.['x-user'])).toEqual(
    ['2', '2', '1', '0', '1'].flatMap((user) => [user, user, user]),
  )
  expect(new Set(requests.map(({ method, path, service }) => `${method} ${path} ${service}`))).toEqual(
    new Set(['GET /chat orders']),
  )
  await eventually(() => expect(world.active()).toBe(0), 3_000)
})

test('a concurrency limit counts an upgraded connection until it closes, and rejects more', async () => {
  await serveUpgrades('a')
  const client = world.client({ concurrencyLimit: ({ name }) => createBulkhead({ name, maxConcurrent: 1, maxQueued: 0 }) })
  const ask = (): ReturnType<typeof upgrade> => upgrade('http://orders/', { dispatcher: client.dispatcher, protocol: 'test' })
  const { socket } = await ask()
  await expect(ask()).rejects.toMatchObject({ code: 'SD_REJECTED' })
  socket.destroy()
  await eventually(async () => (await ask()).socket.destroy(), 3_000)
})

test('failed upgrades open a breaker, which rejects the next one; telemetry reports all of them', async () => {
  await serveUpgrades('a', (socket) => void socket.end('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'))
  const ended: unknown[] = []
  const stop = subscribeTelemetry('sd:v1:call:end', ({ status, error }) => ended.push(status ?? error?.code))
  const client = world.client({
    breaker: ({ name }) => createOpossumBreaker({ name, window: { kind: 'count', size: 2 }, minimumCalls: 2 }),
  })
  for (let count = 0; count < 3; count++) {
    const seen = forward(client, { upgrade: 'test' })
    await seen.ended
  }
  stop()
  expect(ended).toEqual([503, 503, 'SD_REJECTED'])
})

test.each([
  ['before anything came back is a failure of the instance', '', true],
  ['afterwards is not', 'hello', false],
])('a reset after the upgrade, %s', async (_, greeting, isFailure) => {
  await serveUpgrades('a', (socket) => {
    socket.write(switching)
    // The caller has the upgraded connection by then.
    socket.once('data', () => {
      if (greeting === '') socket.resetAndDestroy()
      else socket.write(greeting)
      socket.once('data', () => socket.resetAndDestroy())
    })
  })
  const breaker = createOpossumBreaker({ name: 'orders', window: { kind: 'count', size: 2 }, minimumCalls: 2 })
  const client = world.client({ breaker: () => breaker })
  for (let count = 0; count < 2; count++) {
    const seen = forward(client, { upgrade: 'test' })
    await seen.ended
    seen.socket?.on('data', () => seen.socket?.write('again'))
    seen.socket?.write('ping')
    await eventually(() => expect(seen.socket?.closed).toBe(true), 5_000)
  }
  await eventually(() => expect(breaker.state).toBe(isFailure ? 'open' : 'closed'), 5_000)
})

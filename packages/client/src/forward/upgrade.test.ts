import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { eventually } from '@sd/testing'
import { type Dispatcher, upgrade } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { closedPort, createWorld, type World } from '../testing/world.ts'

let world: World
let server: Server
const sockets: Duplex[] = []
beforeEach(() => {
  world = createWorld()
  server = createServer((_, response) => response.writeHead(426).end('no upgrade'))
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await world.close()
  server.close()
})

/** Registers a server that takes upgrades with `onUpgrade`. */
async function serveUpgrades(onUpgrade: (socket: Duplex) => void, id: string = 'b'): Promise<void> {
  server.on('upgrade', (_, socket) => {
    sockets.push(socket.on('error', () => undefined))
    onUpgrade(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await world.register((server.address() as AddressInfo).port, { id })
}
const accept = (socket: Duplex): unknown =>
  socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n')
const ask = (dispatcher: Dispatcher) => upgrade('http://orders/', { dispatcher, protocol: 'test' })

test('an upgrade goes to another endpoint if no connection can be made', async () => {
  await world.register(await closedPort(), { id: 'a' })
  await serveUpgrades(accept)
  const { socket } = await ask(world.client().dispatcher)
  expect(world.active()).toBe(1)
  socket.destroy()
  await eventually(() => expect(world.active()).toBe(0), 1_000)
})

test('without a reachable endpoint it fails', async () => {
  const { dispatcher } = world.client()
  await expect(ask(dispatcher)).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
  await world.register(await closedPort())
  await eventually(() => expect(world.discovery.cluster('orders').view.endpoints.length).toBe(1), 1_000)
  await expect(ask(dispatcher)).rejects.toMatchObject({ code: 'ECONNREFUSED', cause: { code: 'SD_UNAVAILABLE' } })
  expect(world.active()).toBe(0)
})

test('the time limit ends with the response; a late response is given up', async () => {
  let isSilent = true
  await serveUpgrades((socket) => isSilent || accept(socket))
  const { dispatcher } = world.client({ timeoutMs: 100 })
  await expect(ask(dispatcher)).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
  isSilent = false
  const { socket } = await ask(dispatcher)
  await new Promise((resolve) => setTimeout(resolve, 150))
  expect([socket.destroyed, world.active()]).toEqual([false, 1])
  socket.destroy()
  await eventually(() => expect(world.active()).toBe(0), 1_000)
})

test('closing the client ends upgraded connections', async () => {
  await serveUpgrades(accept)
  const client = world.client({ closeTimeoutMs: 20 })
  const { socket } = await ask(client.dispatcher)
  const closed = new Promise((resolve) => socket.on('close', resolve))
  socket.on('error', (error) => expect(error).toMatchObject({ code: 'SD_CLOSED' }))
  await client.close()
  await closed
  expect(world.active()).toBe(0)
})

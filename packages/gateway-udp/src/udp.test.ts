import { createSocket, type Socket } from 'node:dgram'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient } from '@sd/client'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createGateway, type GatewayOptions, type ListenerSpec, type RouteSpec } from '@sd/gateway'
import { createMemoryRegistry } from '@sd/registry-memory'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createUdp } from './udp.ts'

const soon = <T>(check: () => T | Promise<T>): Promise<T> => eventually(check, 20_000)

async function bind(onMessage: (message: string, reply: (text: string) => void) => void, type: 'udp4' | 'udp6' = 'udp4') {
  const socket = createSocket(type)
  socket.on('message', (message, { address, port }) => onMessage(String(message), (text) => socket.send(text, port, address)))
  await new Promise<void>((resolve) => void socket.bind(0, type === 'udp4' ? '127.0.0.1' : '::1', resolve))
  let isOpen = true
  const close = (): void => {
    if (isOpen) socket.close()
    isOpen = false
  }
  onTestFinished(close)
  return { port: socket.address().port, close }
}

async function startUdp(
  route: Partial<RouteSpec> = {},
  listener: Partial<ListenerSpec> = {},
  options: Partial<GatewayOptions> = {},
) {
  const registry = createMemoryRegistry()
  const discovery = createDiscovery({ source: registry })
  const client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
  const closed: TelemetryEvents['sd:v1:gateway:connection'][] = []
  const unsubscribe = subscribeTelemetry('sd:v1:gateway:connection', (event) => {
    if (event.state === 'closed') closed.push(event)
  })
  const listeners = [{ name: 'edge', address: '127.0.0.1:0', protocols: ['udp'], ...listener }]
  const routes = [{ name: 'echo', match: { protocol: 'udp' }, forward: { service: 'echo' }, ...route }]
  const gateway = await createGateway({
    client,
    protocols: [createUdp()],
    closeTimeoutMs: 100,
    table: { listeners, routes },
    ...options,
  })
  onTestFinished(async () => {
    await gateway.close()
    unsubscribe()
    await client.close()
    await discovery.close()
    await registry.close()
  })
  return {
    gateway,
    closed,
    register: (id: string, port: number, address = '127.0.0.1') => registry.register({ service: 'echo', id, address, port }),
    open(type: 'udp4' | 'udp6' = 'udp4') {
      const socket: Socket = createSocket(type)
      onTestFinished(() => void socket.close())
      const received: string[] = []
      socket.on('message', (message) => received.push(String(message)))
      const host = type === 'udp4' ? '127.0.0.1' : '::1'
      return { received, send: (text: string) => socket.send(text, gateway.addresses[0]?.port, host) }
    },
  }
}

test('datagrams of one address stay on one instance, and those of others are spread', async () => {
  const edge = await startUdp()
  for (const id of ['a', 'b']) await edge.register(id, (await bind((text, reply) => reply(`${id} ${text}`))).port)
  const clients = Array.from({ length: 4 }, () => edge.open())
  for (let turn = 1; turn <= 3; turn++) {
    for (const client of clients) client.send(String(turn))
    await soon(() => expect(clients.map(({ received }) => received.length)).toEqual([turn, turn, turn, turn]))
  }
  const instances = clients.map(({ received }) => new Set(received.map((text) => text[0])))
  expect(instances.every(({ size }) => size === 1)).toBe(true)
  expect(new Set(instances.flatMap((each) => [...each]))).toEqual(new Set(['a', 'b']))
})

test('IPv6 works on both sides', async () => {
  const edge = await startUdp({}, { address: '[::1]:0' })
  await edge.register('a', (await bind((text, reply) => reply(`6 ${text}`), 'udp6')).port, '::1')
  const client = edge.open('udp6')
  client.send('x')
  await soon(() => expect(client.received).toEqual(['6 x']))
})

test.each([
  ['idle', { options: { idleMs: 100 } }],
  ['idle', { timeouts: { idleMs: 100 } }],
  ['idle', { timeouts: { idleMs: 0 }, options: { idleMs: 100 } }],
  ['service', { options: { responses: 1 } }],
])('a session ends as %s with %o, and the next datagram begins another', async (reason, route) => {
  const edge = await startUdp(route)
  await edge.register('a', (await bind((text, reply) => reply(text))).port)
  const client = edge.open()
  for (const text of ['1', '22']) {
    client.send(text)
    const event = { protocol: 'udp', route: 'echo', instanceId: 'a', reason, bytesIn: text.length, bytesOut: text.length }
    await soon(() => expect(edge.closed).toContainEqual(expect.objectContaining(event)))
  }
  await soon(() => expect(client.received).toEqual(['1', '22']))
})

test('beyond the limit the session that has been idle for longest is replaced', async () => {
  const edge = await startUdp({}, { limits: { connections: 2 } })
  await edge.register('a', (await bind((text, reply) => reply(text))).port)
  const clients = [edge.open(), edge.open(), edge.open()]
  for (const client of clients) {
    client.send('x')
    await soon(() => expect(client.received).toEqual(['x']))
  }
  await soon(() => expect(edge.closed.map(({ reason }) => reason)).toEqual(['replaced']))
  expect(edge.gateway.drainable.remaining()).toMatchObject({ streams: 2 })
})

test('an unreachable port ends the session, so that the next one has another instance', async () => {
  const edge = await startUdp()
  const gone = await bind(() => {})
  gone.close()
  await edge.register('gone', gone.port)
  await edge.register('here', (await bind((text, reply) => reply(text))).port)
  const client = edge.open()
  await soon(() => {
    client.send('x')
    expect(client.received).toContain('x')
  })
})

test('without an idle limit a session stays', async () => {
  const edge = await startUdp({ timeouts: { idleMs: 0 } })
  await edge.register('a', (await bind((text, reply) => reply(text))).port)
  const client = edge.open()
  client.send('x')
  await soon(() => expect(client.received).toEqual(['x']))
  // A session of another listener has ended by then.
  const other = await startUdp({ timeouts: { idleMs: 100 } })
  await other.register('a', (await bind((text, reply) => reply(text))).port)
  other.open().send('x')
  await soon(() => expect(other.closed.map(({ reason }) => reason)).toContain('idle'))
  expect(edge.gateway.drainable.remaining()).toMatchObject({ streams: 1 })
})

test('a client without a route or an instance receives nothing', async () => {
  const edge = await startUdp()
  edge.open().send('x')
  await soon(() => expect(edge.closed).toContainEqual(expect.objectContaining({ reason: 'unavailable' })))
})

test('a reload keeps sessions, and a drain ends them', async () => {
  const edge = await startUdp({}, {}, { closeTimeoutMs: 500 })
  await edge.register('a', (await bind((text, reply) => reply(text))).port)
  const client = edge.open()
  client.send('1')
  await soon(() => expect(client.received).toEqual(['1']))
  const routes = [
    { name: 'echo', match: { protocol: 'udp' }, forward: { service: 'echo' } },
    { name: 'http', forward: { service: 'echo' } },
  ]
  await edge.gateway.configure({ listeners: [{ name: 'edge', address: '127.0.0.1:0', protocols: ['udp'] }], routes })
  client.send('2')
  await soon(() => expect(client.received).toEqual(['1', '2']))
  expect(edge.closed).toEqual([])
  await edge.gateway.close()
  expect(edge.closed.map(({ reason }) => reason)).toEqual(['drain'])
})

test.each([
  [{ idleMs: 0 }, 'idleMs'],
  [{ responses: 0 }, 'responses'],
  [{ other: 1 }, 'other'],
])('options %o are refused at %s', async (options, field) => {
  await expect(startUdp({ options })).rejects.toMatchObject({ code: 'SD_INVALID', field: `routes[0].options.${field}` })
})

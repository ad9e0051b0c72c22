import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Transport } from '@sd/client'
import { SdError, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { type ConnectionProtocol, checkTable, createConnectionFront, createGateway, type GatewayOptions } from '../index.ts'
import { openShop, portOf } from '../testing/start-shop.ts'

const soon = <T>(check: () => T | Promise<T>): Promise<T> => eventually(check, 20_000)

type ConnectionEvent = TelemetryEvents['sd:v1:gateway:connection']

const opener: Transport = {
  name: 'opener',
  send({ instance }, _request, handler) {
    const socket = connect({ host: instance.address, port: instance.port, allowHalfOpen: true })
    socket.once('connect', () => handler.onUpgrade?.(101, {}, socket))
    socket.once('error', (cause) => handler.onError(new SdError('SD_UNAVAILABLE', cause.message, { retryable: true }), false))
    const abort = (): void => void socket.destroy()
    return { rawHeaders: [], rawTrailers: [], write: () => true, end: () => {}, resume: () => {}, abort }
  },
  close: async () => {},
}

/** Connects clients that begin with a line: `to HOST`. */
const lines: ConnectionProtocol = {
  kind: 'connection',
  name: 'lines',
  recognise: (first) => (first.length < 3 ? undefined : Buffer.from(first).toString().startsWith('to ')),
  createFront: (context) =>
    createConnectionFront(context.protocol, (socket, connection) => {
      let stream: ReturnType<typeof context.forward> | undefined
      socket.once('data', (line) => {
        socket.pause()
        const host = String(line).split('\n', 1)[0]?.slice(3)
        stream = context.forward(
          connection,
          { host, transport: () => opener },
          {
            onConnect: (service) => {
              socket.pipe(service).pipe(socket)
              socket.write('ok\n')
            },
            onError: (error) => socket.end(`${error.code}\n`),
            onCut: () => socket.destroy(),
          },
        )
      })
      socket.once('close', () => stream?.abort())
      socket.resume()
      return { end: () => socket.end('bye\n') }
    }),
}

const forward = { service: 'echo' }
const listeners = [{ name: 'edge', address: '127.0.0.1:0', protocols: ['http/1.1', 'lines'] }]

async function start(routes: GatewayOptions['table']['routes'], options: Partial<GatewayOptions> = {}) {
  const shop = openShop()
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await shop.registry.register({ service: 'echo', id: 'echo-1', address: '127.0.0.1', port })
  const events: ConnectionEvent[] = []
  const unsubscribe = subscribeTelemetry('sd:v1:gateway:connection', (event) => {
    if (event.state === 'closed') events.push(event)
  })
  const gateway = await createGateway({
    client: shop.client,
    protocols: [lines],
    table: { listeners, routes },
    ...options,
  })
  const sockets: Socket[] = []
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await gateway.close()
    server.close()
    unsubscribe()
  })
  function open() {
    const socket = connect(portOf(gateway), '127.0.0.1')
    let text = ''
    sockets.push(socket.on('error', () => {}).on('data', (chunk) => (text += chunk)))
    return { socket, until: (part: string) => soon(() => expect(text).toContain(part)) }
  }
  return { gateway, open, events, shop }
}

test('a protocol of its own is recognised beside HTTP, and its connection is reported with route, service and instance', async () => {
  const { gateway, open, events } = await start([{ name: 'echo', match: { protocol: 'lines' }, forward }])
  const http = await fetch(`http://127.0.0.1:${portOf(gateway)}/`)
  expect(http.status).toBe(404)
  const client = open()
  client.socket.write('to a\n')
  await client.until('ok\n')
  client.socket.write('ping')
  await client.until('ping')
  expect(gateway.drainable.remaining()).toMatchObject({ streams: 1 })
  client.socket.end()
  const record = { protocol: 'lines', route: 'echo', service: 'echo', instanceId: 'echo-1' }
  await soon(() => expect(events).toContainEqual(expect.objectContaining(record)))
})

test('the host chooses the route; without one, or without an instance, the protocol has the error', async () => {
  const { open, events } = await start([
    { name: 'a', match: { protocol: 'lines', hosts: ['a.example'] }, forward },
    { name: 'nobody', match: { protocol: 'lines', hosts: ['*.nobody.example'] }, forward: { service: 'nobody' } },
  ])
  for (const [host, answer] of [
    ['A.example', 'ok'],
    ['x.nobody.example', 'SD_'],
    ['b.example', 'SD_INVALID'],
  ] as const) {
    const client = open()
    client.socket.write(`to ${host}\n`)
    await client.until(answer)
    client.socket.end()
  }
  await soon(() => expect(events.map(({ reason }) => reason)).toEqual(expect.arrayContaining(['no-route', 'unavailable'])))
})

test('a route of HTTP takes no connection of another protocol', async () => {
  const { open } = await start([{ name: 'all', forward }])
  const client = open()
  client.socket.write('to a\n')
  await client.until('SD_INVALID')
})

test('the concurrency of a route is a limit for its connections', async () => {
  const { gateway, open } = await start([{ name: 'one', match: { protocol: 'lines' }, limits: { concurrency: 1 }, forward }])
  const first = open()
  first.socket.write('to a\n')
  await first.until('ok')
  const second = open()
  second.socket.write('to a\n')
  await second.until('SD_REJECTED')
  first.socket.destroy()
  second.socket.destroy()
  await soon(() => expect(gateway.drainable.remaining()).toMatchObject({ streams: 0 }))
  const third = open()
  third.socket.write('to a\n')
  await third.until('ok')
})

test('a reload keeps connections of unchanged routes, and cuts those of changed ones after a while', async () => {
  const routes = ['a', 'b'].map((name) => ({ name, match: { protocol: 'lines', hosts: [name] }, forward }))
  const { gateway, open, events } = await start(routes, { reloadDrainMs: 50 })
  const [a, b] = [open(), open()]
  a.socket.write('to a\n')
  b.socket.write('to b\n')
  await Promise.all([a.until('ok'), b.until('ok')])
  const changed = routes.map((route) => (route.name === 'a' ? { ...route, forward: { service: 'other' } } : route))
  await gateway.configure({ listeners, routes: changed })
  await once(a.socket, 'close')
  b.socket.write('still here')
  await b.until('still here')
  await soon(() => expect(events).toContainEqual(expect.objectContaining({ route: 'a', reason: 'reload' })))
})

test('a drain asks connections to end at half of its time', async () => {
  const { gateway, open } = await start([{ name: 'echo', match: { protocol: 'lines' }, forward }], { closeTimeoutMs: 1_000 })
  const client = open()
  client.socket.write('to a\n')
  await client.until('ok')
  const closed = gateway.close()
  await client.until('bye')
  client.socket.end()
  await closed
})

test('a connection is explained by its protocol and server name', async () => {
  const { gateway } = await start([
    { name: 'a', match: { protocol: 'lines', hosts: ['a.example'] }, forward },
    { name: 'http', forward },
  ])
  const expected = {
    route: 'a',
    otherRoutes: [{ route: 'http', unmet: 'match.protocol' }],
    targets: [{ service: 'echo', endpoints: [{ instanceId: 'echo-1' }] }],
  }
  await soon(() => expect(gateway.explain({ url: 'lines://a.example' })).toMatchObject(expected))
  expect(gateway.explain({ url: 'lines://' })).toMatchObject({ otherRoutes: [{ route: 'a', unmet: 'match.hosts' }, {}] })
})

const protocols = [
  lines,
  { kind: 'connection', name: 'rest', createFront: lines.createFront },
  { kind: 'datagram', name: 'datagrams', createFront: () => ({}) as never },
] as const

test.each([
  ['redirect', { redirect: { host: 'a' }, forward: undefined }],
  ['rewrite', { rewrite: { path: '/' } }],
  ['headers', { headers: {} }],
  ['push', { push: true }],
  ['filters', { filters: [] }],
  ['mirror', { mirror: { service: 'a' } }],
  ['match.path', { match: { protocol: 'lines', path: '/' } }],
  ['match.methods', { match: { protocol: 'lines', methods: ['GET'] } }],
  ['limits.bodyBytes', { limits: { bodyBytes: 1 } }],
])('%s is refused for a route of another protocol than HTTP', (field, route) => {
  const routes = [{ name: 'echo', match: { protocol: 'lines' }, forward, ...route }]
  const { problems } = checkTable({ listeners, routes }, { protocols })
  expect(problems.map((problem) => problem.field)).toContain(`routes[0].${field}`)
})

test.each([
  [['lines', 'rest'], []],
  [['rest', 'lines'], ['protocols[0]']],
  [['datagrams'], []],
  [['http/1.1', 'datagrams'], ['protocols[1]']],
  [['smtp'], ['protocols[0]']],
])('a listener with %o is refused at %o', (names, fields) => {
  const { problems } = checkTable({ listeners: [{ ...listeners[0], protocols: names }], routes: [] }, { protocols })
  expect(problems.map((problem) => problem.field)).toEqual(fields.map((field) => `listeners[0].${field}`))
})

test('routes of different protocols are never ambiguous', () => {
  const routes = [
    { name: 'a', match: { protocol: 'lines' }, forward },
    { name: 'b', match: { methods: ['GET'] }, forward },
  ]
  expect(checkTable({ listeners, routes }, { protocols })).toEqual({ problems: [], warnings: [] })
})

import { createServer } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { collectStates, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { startConstantLoad } from '@sd/test-servers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openCaller, openShop, portOf, tableOf } from './testing/start-shop.ts'

/** A service whose first request waits. @returns resolves with the function that ends it */
function holdFirst() {
  const { promise: begun, resolve: begin } = Promise.withResolvers<() => void>()
  let requests = 0
  return {
    begun,
    listener: createServer((_, response) => {
      response.flushHeaders()
      if (requests++ === 0) begin(() => response.end('whole'))
      else response.end('next')
    }).listeners('request')[0] as Parameters<ReturnType<typeof openShop>['startInstance']>[1],
  }
}

/** Open connections and timers of the process. Those of the test's own clients are among them. */
function countHandles(): number {
  return process.getActiveResourcesInfo().filter((kind) => /^(?:TCP|Timeout|Immediate|TLS|FSEvent)/.test(kind)).length
}

test('a drain asks clients to leave, serves them nevertheless, and ends when the last request has', async () => {
  const shop = openShop()
  const { begun, listener } = holdFirst()
  await shop.startInstance('orders', listener)
  const gateway = await shop.startGateway(tableOf('orders'))
  const port = portOf(gateway)
  const caller = openCaller()
  const held = caller.get(port, '/orders')
  const finish = await begun
  expect(await gateway.drainable.whenListening()).toBe(port)
  expect(gateway.isReady).toBe(true)

  gateway.drainable.beginDrain()
  expect(gateway.isReady).toBe(false)
  const next = await caller.get(port, '/orders')
  expect([next.body, next.headers['connection']]).toEqual(['next', 'close'])
  await expect(gateway.configure(tableOf('carts'))).rejects.toMatchObject({ code: 'SD_CLOSED' })

  let isDrained = false
  const drained = gateway.drainable.finishDrain().then(() => {
    isDrained = true
  })
  await expect.poll(() => gateway.drainable.remaining()).toEqual({ requests: 1, upgraded: 0, streams: 0, connections: 0 })
  expect(isDrained).toBe(false)
  finish()
  expect((await held).body).toBe('whole')
  await drained
})

/** Sends a request on a connection of its own. */
function requestOnce(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /orders HTTP/1.1\r\nhost: shop\r\n\r\n'))
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}

test('connections that the system has accepted for a process that stood still are served in a drain', async () => {
  const shop = openShop()
  await shop.startInstance('orders')
  const gateway = await shop.startGateway(tableOf('orders'))
  const requests = Array.from({ length: 100 }, () => requestOnce(portOf(gateway)))
  // Node.js connects in the next tick; the event loop accepts nothing before.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  const drained = gateway.drainable.finishDrain()
  for (const text of await Promise.all(requests)) expect(text).toMatch(/^HTTP\/1\.1 200 OK/)
  await drained
})

test('pipelined requests that have arrived are all answered in a drain', async () => {
  const shop = openShop()
  const { begun, listener } = holdFirst()
  await shop.startInstance('orders', listener)
  const gateway = await shop.startGateway(tableOf('orders'))
  const client = connect(portOf(gateway), '127.0.0.1')
  onTestFinished(() => void client.destroy())
  let text = ''
  client.setEncoding('latin1')
  client.on('data', (chunk: string) => {
    text += chunk
  })
  const ended = new Promise((resolve) => client.on('close', resolve))
  client.write('GET /orders HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(3))
  const finish = await begun
  gateway.drainable.beginDrain()
  const drained = gateway.drainable.finishDrain()
  finish()
  await Promise.all([ended, drained])
  expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(3)
  expect(text.match(/connection: close/gi)).toHaveLength(1)
})

test('a drain lets the open streams of HTTP/2 end, and tells the client to use another connection', async () => {
  const shop = openShop()
  const { begun, listener } = holdFirst()
  await shop.startInstance('orders', listener)
  const gateway = await shop.startGateway(tableOf('orders'))
  const session = connectHttp2(`http://127.0.0.1:${portOf(gateway)}`)
  onTestFinished(() => session.destroy())
  const left = new Promise((resolve) => session.on('goaway', resolve))
  const stream = session.request({ ':path': '/orders' })
  const finish = await begun
  gateway.drainable.beginDrain()
  await left
  const drained = gateway.drainable.finishDrain()
  finish()
  let body = ''
  for await (const chunk of stream) body += chunk
  expect(body).toBe('whole')
  await drained
})

test('no request fails when clients with kept connections are drained under load', { timeout: 60_000 }, async () => {
  const shop = openShop()
  await shop.startInstance('orders')
  const [old, replacement] = [await shop.startGateway(tableOf('orders')), await shop.startGateway(tableOf('orders'))]
  let port = portOf(old)
  const caller = openCaller()
  const load = startConstantLoad(300, async () => {
    const { status, body } = await caller.get(port, '/orders')
    if (status !== 200 || body !== 'orders') throw new Error(`${status}: ${body}`)
  })
  await vi.waitUntil(() => load.calls > 100, { timeout: 20_000 })
  old.drainable.beginDrain()
  const before = load.calls
  // Callers still use the gateway until they know, and every response asks them to close the connection.
  await vi.waitUntil(() => load.calls > before + 100, { timeout: 20_000 })
  port = portOf(replacement)
  await load.settled()
  await old.drainable.finishDrain()
  const after = load.calls
  await vi.waitUntil(() => load.calls > after + 50, { timeout: 20_000 })
  await load.stop()
  expect(load.failures).toEqual([])
})

test('close is bounded, ends everything, and can be called again', async () => {
  const shop = openShop()
  await shop.startInstance('orders', (_, response) => void response.write('an endless stream'))
  const before = countHandles()
  const gateway = await shop.startGateway(tableOf('orders'), { closeTimeoutMs: 50 })
  const port = portOf(gateway)
  const caller = openCaller()
  const held = caller.get(port, '/orders')
  held.catch(() => {})
  // One connection without a request, and one with half of a head.
  const idle = connect(port, '127.0.0.1')
  const half = connect(port, '127.0.0.1', () => half.write('GET / HT'))
  for (const socket of [idle, half]) socket.on('error', () => {})
  const closed = [idle, half].map((socket) => new Promise((resolve) => socket.on('close', resolve)))
  await expect.poll(() => gateway.drainable.remaining()).toEqual({ requests: 1, upgraded: 0, streams: 0, connections: 2 })

  const closing = gateway.close()
  expect(gateway.close()).toBe(closing)
  await closing
  await expect(held).rejects.toThrow()
  await Promise.all(closed)
  await expect(gateway.configure(tableOf('orders'))).rejects.toMatchObject({ code: 'SD_CLOSED' })
  expect(gateway.drainable.remaining()).toEqual({ requests: 0, upgraded: 0, streams: 0, connections: 0 })
  // The connection of the client to the service may still be closing.
  await expect.poll(countHandles).toBeLessThanOrEqual(before)
})

test('a gateway that fails to start leaves nothing open', async () => {
  const shop = openShop()
  const before = countHandles()
  const table = { ...tableOf(), listeners: [...tableOf().listeners, { name: 'bad', address: '192.0.2.1:1' }] }
  await expect(shop.startGateway(table)).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  await expect.poll(countHandles).toBeLessThanOrEqual(before)
})

test('with a discovery, the gateway listens once the lists are there, or the time limit has passed', async () => {
  const shop = openShop()
  await shop.startInstance('orders')
  const ready = await shop.startGateway(tableOf('orders'), { discovery: shop.discovery })
  expect(shop.discovery.cluster('orders').snapshot).toBeDefined()
  expect(ready.isReady).toBe(true)

  const never = { ...shop.discovery.cluster('orders'), ready: () => new Promise<void>(() => {}) }
  const late = await shop.startGateway(tableOf('orders'), { discovery: { cluster: () => never }, readyTimeoutMs: 20 })
  expect(late.isReady).toBe(true)
})

test('connections are published, and counted for late subscribers', async () => {
  const events: TelemetryEvents['sd:v1:gateway:connection'][] = []
  onTestFinished(
    subscribeTelemetry('sd:v1:gateway:connection', (event) => void (event.listener === 'counted' && events.push(event))),
  )
  const shop = openShop()
  await shop.startInstance('orders')
  const { routes } = tableOf('orders')
  const listeners = [{ name: 'counted', address: '127.0.0.1:0' }]
  const gateway = await shop.startGateway({ listeners, routes }, { name: 'reporting' })
  const report = () => collectStates().find((state) => state.kind === 'gateway' && state.gateway === 'reporting')
  const client = connect(portOf(gateway, 'counted'), '127.0.0.1', () => client.write('GET /orders HTTP/1.1\r\nhost: a\r\n\r\n'))
  await new Promise((resolve) => client.once('data', resolve))
  expect(events).toEqual([{ listener: 'counted', protocol: 'http/1.1', state: 'opened' }])
  expect(report()).toMatchObject({ version: 1, isReady: true, listeners: [{ listener: 'counted', connections: 1 }] })
  client.end()
  await expect.poll(() => events.length).toBe(2)
  expect(events[1]).toMatchObject({ state: 'closed', protocol: 'http/1.1', reason: 'client', durationMs: expect.any(Number) })
  await gateway.close()
  expect(report()).toBeUndefined()
})

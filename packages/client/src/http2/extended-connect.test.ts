import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { eventually } from '@sd/testing'
import { upgrade } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { forward } from '../testing/forwarded.ts'
import { createWorld, type World } from '../testing/world.ts'

const closers: (() => void)[] = []
let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  await world.close()
  for (const close of closers.splice(0)) close()
})

interface Service {
  readonly heads: IncomingHttpHeaders[]
  readonly streams: ServerHttp2Stream[]
}

/** An HTTP/2 service that accepts upgrades, or responds with a status, and sends back what it receives. */
async function serve({ settings = { enableConnectProtocol: true }, status = 200, id = 'a' } = {}): Promise<Service> {
  const service = { heads: [] as IncomingHttpHeaders[], streams: [] as ServerHttp2Stream[] }
  const sessions = new Set<ServerHttp2Session>()
  const server = createServer({ settings })
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    service.heads.push(headers)
    service.streams.push(stream)
    stream.on('error', () => undefined)
    stream.respond({ ':status': status, 'sec-websocket-protocol': 'chat' })
    if (status === 200) stream.pipe(stream)
    else stream.end('not today')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closers.push(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  await world.register((server.address() as AddressInfo).port, { id, protocol: 'h2c' })
  return service
}

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const request = {
  path: '/chat?room=1',
  upgrade: 'websocket',
  rawHeaders: ['sec-websocket-key', key, 'sec-websocket-version', '13', 'x-user', '7'],
}

test('an upgrade becomes an extended CONNECT, and its response has the fields of HTTP/1.1', async () => {
  const { heads } = await serve()
  const seen = forward(world.client(), request)
  await seen.ended
  expect(heads[0]).toMatchObject({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/chat?room=1',
    ':scheme': 'http',
    'sec-websocket-version': '13',
    'x-user': '7',
  })
  expect(heads[0]).not.toHaveProperty('sec-websocket-key')
  expect(seen.rawHeaders.slice(-6)).toEqual(['connection', 'upgrade', 'upgrade', 'websocket', 'sec-websocket-accept', accept])
  expect(seen.rawHeaders).toContain('sec-websocket-protocol')
})

test('its stream carries bytes in both directions, is active until it closes, and shares its connection', async () => {
  const { streams } = await serve()
  const client = world.client()
  const seen = [forward(client, request), forward(client, request)]
  await Promise.all(seen.map(({ ended }) => ended))
  expect(world.active()).toBe(2)
  for (const { socket } of seen) {
    const text = 'x'.repeat(1_000_000)
    let echoed = 0
    socket?.on('data', (chunk: Uint8Array) => {
      echoed += chunk.byteLength
    })
    socket?.end(text)
    await eventually(() => expect(echoed).toBe(text.length), 5_000)
  }
  await eventually(() => expect(world.active()).toBe(0), 5_000)
  expect(new Set(streams.map(({ session }) => session)).size).toBe(1)
})

test('a stream that is not read stops its sender', async () => {
  const { streams } = await serve()
  const seen = forward(world.client(), request)
  await seen.ended
  const [stream] = streams as [ServerHttp2Stream]
  let sent = 0
  while (sent < 64 * 65_536 && stream.write(Buffer.alloc(65_536))) sent += 65_536
  expect(stream.writableNeedDrain).toBe(true)
  seen.socket?.resume()
  await once(stream, 'drain')
  seen.socket?.destroy()
})

test('a refused upgrade is a response with its body', async () => {
  await serve({ status: 403 })
  const seen = forward(world.client(), request)
  await seen.ended
  expect([seen.status, seen.text, seen.socket]).toEqual([403, 'not today', undefined])
})

test('a service that does not announce it gets no request, and the next instance is tried', async () => {
  const without = await serve({ settings: { enableConnectProtocol: false } })
  const client = world.client()
  const seen = forward(client, request)
  await seen.ended
  expect(seen.error).toMatchObject({ code: 'SD_UNSUPPORTED', message: expect.stringContaining('ENABLE_CONNECT_PROTOCOL') })
  expect(without.heads).toEqual([])
  await serve({ id: 'b' })
  await eventually(async () => {
    const again = forward(client, request)
    await again.ended
    expect(again.socket).toBeDefined()
    again.socket?.destroy()
  }, 5_000)
})

test('undici upgrades over it too', async () => {
  await serve()
  const { headers, socket } = await upgrade('http://orders/', {
    dispatcher: world.client().dispatcher,
    protocol: 'websocket',
    headers: { 'sec-websocket-key': key },
  })
  expect(headers['sec-websocket-accept']).toBe(accept)
  socket.write('ping')
  expect(String((await once(socket, 'data'))[0])).toBe('ping')
  socket.destroy()
})

test.each([
  ['a reset', (stream: ServerHttp2Stream) => stream.close(8)],
  ['the end of the connection', (stream: ServerHttp2Stream) => stream.session?.destroy()],
])('%s closes it, and it is no longer active', async (_, end) => {
  const { streams } = await serve()
  const seen = forward(world.client(), request)
  await seen.ended
  seen.socket?.on('error', () => undefined).resume()
  end(streams[0] as ServerHttp2Stream)
  await eventually(() => expect([seen.socket?.destroyed, world.active()]).toEqual([true, 0]), 5_000)
})

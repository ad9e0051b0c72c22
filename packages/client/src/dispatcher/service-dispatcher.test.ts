import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { subscribeTelemetry } from '@sd/core'
import { eventually } from '@sd/testing'
import { type Dispatcher, errors, request, WebSocket } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocketServer, WebSocket as WsSocket } from 'ws'
import { createUpgradeConnection, serviceOrigin } from '../index.ts'
import { serveBytes } from '../testing/forwarded.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

describe('requests of undici', () => {
  const requests: [string, Partial<Dispatcher.DispatchOptions>][] = [
    ['query', { query: { limit: 10, after: 'x y', list: ['a', 'b'] } }],
    ['an object of header fields', { headers: { 'X-One': 'a', cookie: 'a=1', list: ['b', 'c'] } as never }],
    ['a list of header fields', { headers: ['X-One', 'a', 'X-One', 'b'] }],
    ['an iterable of header fields', { headers: new Map([['x-one', 'a']]) as never }],
    ['text', { method: 'POST', body: 'text' }],
    ['bytes', { method: 'PUT', body: Buffer.from('bytes') }],
  ]
  test.each(requests)('with %s arrive as they do without the client', async (_, options) => {
    const server = await world.serve(async (incoming, response) => {
      let body = ''
      for await (const chunk of incoming) body += chunk
      const { host: __, 'x-request-timeout-ms': ___, ...headers } = incoming.headers
      response.end(JSON.stringify([incoming.method, incoming.url, headers, body]))
    })
    const { port } = server.address() as AddressInfo
    const given = { method: 'GET', ...options } as { method: 'GET' }
    const plain = await request(`http://127.0.0.1:${port}/list`, given)
    const named = await request('http://orders/list', { ...given, dispatcher: world.client().dispatcher })
    expect(await named.body.json()).toEqual(await plain.body.json())
  })

  test('receive trailers, 1xx and the reason phrase, and send several cookies as one', async () => {
    const reply =
      'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 Quite Fine\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n' +
      'transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n'
    const server = await serveBytes(reply)
    await world.register(server.port)
    const { dispatcher } = world.client()
    const infos: unknown[] = []
    const { statusText, headers, body, trailers } = await request('http://orders/', {
      dispatcher,
      headers: ['cookie', 'a=1', 'cookie', 'b=2'],
      onInfo: ({ statusCode, headers: fields }) => infos.push([statusCode, fields['link']]),
    })
    expect([statusText, headers['set-cookie'], await body.text(), trailers]).toEqual([
      'Quite Fine',
      ['a=1', 'b=2'],
      'ok',
      { 'x-sum': '7' },
    ])
    expect(infos).toEqual([[103, '</a>']])
    expect(server.received()).toContain('cookie: a=1; b=2\r\n')
    server.close()
  })

  test('have the time limits of undici, and are rejected for the reasons of undici', async () => {
    await world.serve((incoming, response) => {
      if (incoming.url === '/stalls') response.write('a')
      if (incoming.url !== '/drips') return
      const timer = setInterval(() => response.write('.'), 20)
      setTimeout(() => {
        clearInterval(timer)
        response.end()
      }, 700)
    })
    const { dispatcher } = world.client({ timeoutMs: 450, retry: false })
    const get = (path: string, options: object) => request(`http://orders${path}`, { dispatcher, ...options })
    await expect(get('/silent', { headersTimeout: 100 })).rejects.toBeInstanceOf(errors.HeadersTimeoutError)
    await expect(get('/silent', {})).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    const { body } = await get('/stalls', { bodyTimeout: 150 })
    await expect(body.text()).rejects.toBeInstanceOf(errors.BodyTimeoutError)
    expect((await (await get('/drips', { bodyTimeout: 400 })).body.text()).length).toBeGreaterThan(5)
    const cut = await get('/drips', {})
    await expect(cut.body.text()).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    const bad = [{ throwOnError: true }, { headersTimeout: -1 }, { bodyTimeout: 'x' }, { headers: ['a'] }]
    for (const options of bad) await expect(get('/', options)).rejects.toBeInstanceOf(errors.InvalidArgumentError)
    await expect(request('http://orders/?a=1', { dispatcher, query: { b: 2 } })).rejects.toThrow(/Query params/)
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })
})

describe('WebSocket of undici', () => {
  let server: Server
  let sockets: WebSocketServer
  beforeEach(async () => {
    server = createServer((_, response) => response.writeHead(503).end())
    sockets = new WebSocketServer({ server, path: '/chat' })
    sockets.on('connection', (socket, { headers }) => {
      socket.send(`hello ${headers['x-user']}`)
      socket.on('message', (data) => socket.send(`echo ${data}`))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    await world.register((server.address() as AddressInfo).port, { service: 'Chat' })
  })
  afterEach(() => {
    for (const client of sockets.clients) client.terminate()
    server.closeAllConnections()
    server.close()
  })

  test('calls a service by name, under all policies', async () => {
    const attempts: unknown[] = []
    const stop = subscribeTelemetry('sd:v1:attempt:end', ({ status }) => attempts.push(status))
    const client = world.client({
      timeoutMs: 500,
      breaker: ({ name }) => createOpossumBreaker({ name, window: { kind: 'count', size: 1 }, minimumCalls: 1 }),
      interceptors: {
        attempt: [
          (attempt, next) => {
            attempt.headers['x-user'] = 'ann'
            return next()
          },
        ],
      },
    })
    const origin = serviceOrigin('Chat', 'ws')
    const socket = new WebSocket(`${origin}/chat`, { dispatcher: client.dispatcher })
    const messages: unknown[] = []
    socket.addEventListener('message', ({ data }) => messages.push(data))
    await once(socket, 'open')
    socket.send('one')
    await eventually(() => expect(messages).toEqual(['hello ann', 'echo one']), 1_000)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect([socket.readyState, world.active('Chat'), attempts]).toEqual([WebSocket.OPEN, 1, []])
    socket.close()
    await once(socket, 'close')
    await eventually(() => expect([world.active('Chat'), attempts]).toEqual([0, [101]]), 1_000)
    const refused = new WebSocket(`${origin}/other`, { dispatcher: client.dispatcher })
    await once(refused, 'error')
    await eventually(() => expect(world.active('Chat')).toBe(0), 1_000)
    stop()
  })

  test('and ws calls a service by name over a connection of the client', async () => {
    const client = world.client({ timeoutMs: 500, closeTimeoutMs: 20 })
    const open = (path: string): WsSocket =>
      new WsSocket(`ws://chat${path}`, {
        headers: { 'x-user': 'bob' },
        createConnection: () => createUpgradeConnection(client, 'Chat') as never,
      })
    const socket = open('/chat')
    const messages: string[] = []
    socket.on('message', (data) => messages.push(String(data)))
    await once(socket, 'open')
    const large = 'x'.repeat(300_000)
    socket.send(large)
    await eventually(() => expect(messages).toEqual(['hello bob', `echo ${large}`]), 1_000)
    expect(world.active('Chat')).toBe(1)
    socket.close()
    await once(socket, 'close')
    await eventually(() => expect(world.active('Chat')).toBe(0), 1_000)
    const [error] = (await once(open('/other'), 'error')) as [Error]
    expect(error.message).toContain('400')
    const cut = open('/chat')
    await once(cut, 'open')
    const closed = once(cut, 'close')
    await client.close()
    await closed
    const [late] = (await once(open('/chat'), 'error')) as [Error]
    expect(late).toMatchObject({ code: 'SD_CLOSED' })
  })

  test('is closed with the client', async () => {
    const client = world.client({ closeTimeoutMs: 20 })
    const socket = new WebSocket(`${serviceOrigin('Chat', 'ws')}/chat`, { dispatcher: client.dispatcher })
    await once(socket, 'open')
    const closed = once(socket, 'close')
    await client.close()
    await closed
    expect(world.active('Chat')).toBe(0)
  })
})

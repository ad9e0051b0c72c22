import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createEndpoint, createServiceInstance, type Endpoint, judgeOutcome, SdError } from '@sd/core'
import { eventually } from '@sd/testing'
import { afterEach, describe, expect, test } from 'vitest'
import {
  createFetchTransport,
  createHttp1Transport,
  createHttp2Transport,
  createUndiciTransport,
  type Transport,
} from '../index.ts'
import { send } from '../testing/recording-handler.ts'
import { createWorld } from '../testing/world.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function listen(server: Server | Http2Server, protocol: string): Promise<Endpoint> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  const { port } = server.address() as AddressInfo
  return createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: '127.0.0.1', port, protocol }))
}

const kinds: Readonly<Record<string, readonly [protocol: string, () => Transport]>> = {
  undici: ['http', () => createUndiciTransport()],
  http1: ['http', () => createHttp1Transport()],
  fetch: ['http', () => createFetchTransport()],
  http2: ['h2c', () => createHttp2Transport()],
}

const post = { method: 'POST', path: '/', headers: {}, body: null, pushed: true }

describe.each(Object.entries(kinds))('a pushed body over %s', (_, [protocol, create]) => {
  async function serve(listener: RequestListener): Promise<{ transport: Transport; endpoint: Endpoint }> {
    const server = protocol === 'h2c' ? createHttp2Server(listener as never) : createServer(listener)
    const endpoint = await listen(server, protocol)
    const transport = create()
    closers.push(() => transport.close())
    return { transport, endpoint }
  }

  test('arrives completely and in order', async () => {
    const { transport, endpoint } = await serve((request, response) => void request.pipe(response))
    const { exchange, recorded } = send(transport, endpoint, post)
    for (const text of ['a', 'bc', '', 'def']) exchange.write(Buffer.from(text))
    exchange.end()
    await recorded.ended
    expect([recorded.status, recorded.text, recorded.isComplete]).toEqual([200, 'abcdef', true])
  })

  test('is held back while the server does not read', async () => {
    let bytes = 0
    const { transport, endpoint } = await serve((request, response) => {
      setTimeout(() => {
        request.on('data', (chunk: Uint8Array) => {
          bytes += chunk.length
        })
        request.on('end', () => response.end('done'))
      }, 50)
    })
    const { exchange, recorded } = send(transport, endpoint, post)
    const chunk = Buffer.alloc(65_536)
    let left = 256
    let waits = 0
    const pump = (): void => {
      while (left > 0) {
        left--
        if (!exchange.write(chunk)) {
          waits++
          return
        }
      }
      exchange.end()
    }
    recorded.onDrain = pump
    pump()
    await recorded.ended
    expect([recorded.text, bytes, waits > 16]).toEqual(['done', 256 * 65_536, true])
  })

  test('ends at once on abort, and later chunks are dropped', async () => {
    const { transport, endpoint } = await serve((request) => void request.resume())
    const { exchange, recorded } = send(transport, endpoint, post)
    exchange.write(Buffer.from('part'))
    await eventually(() => expect(recorded.sent || protocol === 'http').toBe(true), 5_000)
    exchange.abort(new SdError('SD_ABORTED', 'gone'))
    expect(recorded.error?.code).toBe('SD_ABORTED')
    expect(exchange.write(Buffer.from('late'))).toBe(true)
    exchange.end()
  })
})

async function* partsOf(parts: readonly unknown[], error?: unknown): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield part as Uint8Array
  if (error !== undefined) throw error
}

describe.each(Object.entries(kinds))('a body in parts over %s', (_, [protocol, create]) => {
  async function post(body: AsyncIterable<Uint8Array>, headers: Readonly<Record<string, string>> = {}) {
    const listener: RequestListener = (request, response) => void request.pipe(response)
    const server = protocol === 'h2c' ? createHttp2Server(listener as never) : createServer(listener)
    const endpoint = await listen(server, protocol)
    const transport = create()
    closers.push(() => transport.close())
    const { recorded } = send(transport, endpoint, { method: 'POST', path: '/', headers, body })
    await recorded.ended
    return recorded
  }

  test('may have bytes, text, buffers and empty parts', async () => {
    const parts = ['a', Buffer.from('b'), '', new Uint8Array(), new Uint8Array([99]).buffer, 'ä']
    expect((await post(partsOf(parts))).text).toBe('abcä')
  })

  test.each<[string, AsyncIterable<Uint8Array>, string, string]>([
    ['has a part that is neither', partsOf(['a', 5]), 'SD_INVALID', 'Invalid body: a part is'],
    ['throws text', partsOf(['a'], 'no disk'), 'SD_ABORTED', 'The request body failed: no disk'],
    ['throws an error', partsOf([], new Error('no disk')), 'SD_ABORTED', 'The request body failed: no disk'],
  ])('that %s ends the request, and the instance is not blamed', async (_name, body, code, message) => {
    const { error } = await post(body)
    expect(error).toMatchObject({ code, origin: 'caller', message: expect.stringContaining(message) })
    expect(judgeOutcome({ ok: false, error })).toBe('neutral')
  })

  test.each([
    ['longer', 'abc'],
    ['shorter', 'a'],
  ])('that is %s than its content-length ends the request', async (_name, text) => {
    const { error } = await post(partsOf([text]), { 'content-length': '2' })
    expect(error).toMatchObject({
      code: 'SD_INVALID',
      field: 'body',
      origin: 'caller',
      message: 'The request body is longer or shorter than its content-length',
    })
  })

  test('that is as long as its content-length arrives', async () => {
    expect((await post(partsOf(['a', 'b']), { 'content-length': '2' })).text).toBe('ab')
  })
})

describe.each(Object.entries(kinds))('raw header fields over %s', (_, [protocol, create]) => {
  test.each<[string, readonly string[], string | null, string | undefined]>([
    ['a content-length that fits', ['Content-Length', '2'], 'ab', undefined],
    ['a content-length that does not fit', ['Content-Length', '9'], 'ab', undefined],
    ['a content-length without a body', ['content-length', '9'], null, undefined],
    ['a value with a line break', ['x-a', 'SECRET\r\nx-b: c'], null, 'SD_INVALID'],
    ['a name with a space', ['x a', 'b'], null, 'SD_INVALID'],
  ])('%s', async (_name, rawHeaders, body, code) => {
    const listener: RequestListener = (request, response) => void request.pipe(response)
    const server = protocol === 'h2c' ? createHttp2Server(listener as never) : createServer(listener)
    const endpoint = await listen(server, protocol)
    const transport = create()
    closers.push(() => transport.close())
    const { recorded } = send(transport, endpoint, { method: 'POST', path: '/', headers: {}, rawHeaders, body })
    await recorded.ended
    expect([recorded.error?.code, recorded.status, recorded.text]).toEqual(
      code ? [code, undefined, ''] : [undefined, 200, body ?? ''],
    )
    if (code) expect(judgeOutcome({ ok: false, error: recorded.error })).toBe('neutral')
    expect(String(recorded.error)).not.toContain('SECRET')
  })
})

describe('over undici', () => {
  test('the reason phrase, raw fields, informational responses and trailers arrive', async () => {
    const endpoint = await listen(
      createServer((_, response) => {
        response.writeEarlyHints({ link: '</a>; rel=preload' })
        response.writeHead(201, 'Made Up', ['X-A', '1', 'x-a', '2', 'Trailer', 'X-Sum'])
        response.write('body')
        response.addTrailers({ 'X-Sum': '7' })
        response.end()
      }),
      'http',
    )
    const transport = createUndiciTransport()
    closers.push(() => transport.close())
    const request = { method: 'GET', path: '/', headers: {}, body: null, rawHeaders: ['X-Name', 'é', 'x-name', '2'] }
    const { exchange, recorded } = send(transport, endpoint, request)
    await recorded.ended
    expect(recorded).toMatchObject({ status: 201, statusText: 'Made Up', text: 'body', trailers: { 'x-sum': '7' } })
    expect(recorded.informational).toEqual([[103, { link: '</a>; rel=preload' }]])
    expect(exchange.rawHeaders.slice(0, 4)).toEqual(['X-A', '1', 'x-a', '2'])
    expect(exchange.rawTrailers).toEqual(['X-Sum', '7'])
  })

  test('an upgrade provides the socket, and a rejected upgrade is a response', async () => {
    const server = createServer((_, response) => response.writeHead(403).end('no'))
    server.on('upgrade', (request, socket) => {
      if (request.url !== '/chat') return socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno')
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhi')
      socket.on('data', (chunk: Uint8Array) => socket.end(chunk))
      return undefined
    })
    const endpoint = await listen(server, 'http')
    const transport = createUndiciTransport()
    closers.push(() => transport.close())
    const request = { method: 'GET', path: '/chat', headers: {}, body: null, upgrade: 'websocket' }
    const { recorded } = send(transport, endpoint, request)
    await recorded.ended
    expect(recorded).toMatchObject({ status: 101, headers: { upgrade: 'websocket' } })
    let text = ''
    recorded.socket?.on('data', (chunk) => {
      text += chunk
    })
    recorded.socket?.write(' again')
    await once(recorded.socket as NonNullable<typeof recorded.socket>, 'end')
    expect(text).toBe('hi again')
    const refused = send(transport, endpoint, { ...request, path: '/other' }).recorded
    await refused.ended
    expect([refused.status, refused.text]).toEqual([403, 'no'])
  })
})

describe('a client calls instances of protocol h2c over HTTP/2', () => {
  async function serveMany(
    count: number,
  ): Promise<{ sessions: Map<number, ServerHttp2Session[]>; register: (world: World) => Promise<void> }> {
    const sessions = new Map<number, ServerHttp2Session[]>()
    const ports: number[] = []
    for (let index = 0; index < count; index++) {
      const server = createHttp2Server((request, response) => {
        request.resume()
        request.on('end', () => response.end(request.httpVersion))
      })
      const own: ServerHttp2Session[] = []
      server.on('session', (session) => {
        own.push(session)
        session.on('error', () => undefined)
      })
      const { instance } = await listen(server, 'h2c')
      ports.push(instance.port)
      sessions.set(instance.port, own)
    }
    const register = async (world: World): Promise<void> => {
      for (const port of ports) await world.register(port, { id: `i${port}`, protocol: 'h2c' })
    }
    return { sessions, register }
  }
  type World = ReturnType<typeof createWorld>

  test('with all methods and bodies, and no call stays active', async () => {
    const { register } = await serveMany(2)
    const world = createWorld()
    closers.push(() => world.close())
    await register(world)
    const client = world.client({ headers: { connection: 'keep-alive', te: 'trailers' } })
    for (let call = 0; call < 20; call++) {
      const body = (async function* () {
        yield Buffer.from('x')
      })()
      const response = await client.request('orders', '/', call % 2 === 0 ? {} : { method: 'POST', body })
      expect(await response.text()).toBe('2.0')
    }
    expect(world.active()).toBe(0)
  })

  test('no POST is lost while all servers send GOAWAY in turn', async () => {
    const { sessions, register } = await serveMany(3)
    const world = createWorld()
    closers.push(() => world.close())
    await register(world)
    const client = world.client()
    let stopped = false
    const rolling = (async () => {
      while (!stopped) {
        for (const own of sessions.values()) {
          for (const session of own.splice(0)) session.close()
          await new Promise((resolve) => setTimeout(resolve, 30))
        }
      }
    })()
    const ended = await Promise.allSettled(
      Array.from({ length: 10 }, async () => {
        for (let call = 0; call < 50; call++) await (await client.post('orders', '/', { json: { call } })).text()
      }),
    )
    stopped = true
    await rolling
    expect(ended.filter(({ status }) => status === 'rejected')).toEqual([])
    expect(world.active()).toBe(0)
  })
})

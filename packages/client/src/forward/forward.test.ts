import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type Balancer, SdError, subscribeTelemetry } from '@sd/core'
import { createRetryPolicy } from '@sd/retry'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClientSettings, ForwardRequest } from '../index.ts'
import { forward, serveBytes } from '../testing/forwarded.ts'
import { closedPort, createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  await world.close()
})

const retry: ClientSettings['retry'] = ({ budget }) =>
  createRetryPolicy({ budget, methods: 'all', backoff: { kind: 'fixed', delayMs: 0, jitter: 0 } })

describe('header fields', () => {
  test('keep case, order and repetition both ways; so do reason phrase, trailers and 1xx', async () => {
    const server = await serveBytes(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine By Me\r\nX-B: 1\r\nX-a: 2\r\nX-B: 3\r\n' +
        'Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n',
    )
    await world.register(server.port, { id: 'a' })
    const rawHeaders = ['Host', 'shop.example', 'X-Zed', '1', 'x-alpha', '2', 'X-Zed', '3', 'Cookie', 'a=1', 'Cookie', 'b=2']
    const seen = forward(world.client({ timeoutMs: 0 }), { path: '/p?q', rawHeaders })
    await seen.ended
    expect(seen.error).toBeUndefined()
    const lines = server.received().split('\r\n')
    expect(lines[0]).toBe('GET /p?q HTTP/1.1')
    expect(lines.filter((line) => /^(host|x-|cookie)/i.test(line))).toEqual(
      expect.arrayContaining(['X-Zed: 1', 'x-alpha: 2', 'X-Zed: 3', 'Cookie: a=1; b=2']),
    )
    expect(lines.find((line) => line.toLowerCase().startsWith('host'))).toMatch(/shop\.example/)
    expect(seen).toMatchObject({ status: 200, statusText: 'Fine By Me', text: 'ok', instanceId: 'a' })
    expect(seen.rawHeaders.slice(0, 6)).toEqual(['X-B', '1', 'X-a', '2', 'X-B', '3'])
    expect(seen.trailers).toEqual(['X-Sum', '7'])
    expect(seen.informational).toEqual([[103, ['Link', '</a>']]])
    server.close()
  })

  test('of one connection and those that the connection field names are left out, end-to-end fields are kept', async () => {
    await world.serve((incoming, response) => response.end(JSON.stringify(incoming.rawHeaders)))
    const rawHeaders = Object.entries({
      Connection: 'keep-alive, X-Hop, Authorization',
      'X-Hop': '1',
      Authorization: 'me',
      'Keep-Alive': 'timeout=5',
      TE: 'gzip',
      Upgrade: 'h2c',
      'HTTP2-Settings': 'x',
      'Proxy-Connection': 'close',
      Expect: '100-continue',
      Trailer: 'x',
      'X-Mine': '1',
    }).flat()
    const client = world.client({ headers: { 'x-default': 'd', 'x-mine': 'not this' } })
    const seen = forward(client, { rawHeaders, maxDurationMs: 5_000 })
    await seen.ended
    const names = (JSON.parse(seen.text) as string[]).filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
    expect(names.sort()).toEqual(['authorization', 'connection', 'host', 'x-default', 'x-mine', 'x-request-timeout-ms'])
    expect(seen.text).toContain('"X-Mine","1"')
  })

  test('that interceptors change are sent changed, the others unchanged', async () => {
    await world.serve((incoming, response) => response.end(JSON.stringify(incoming.rawHeaders)))
    const client = world.client({
      timeoutMs: 0,
      interceptors: {
        call: [
          (call, next) => {
            call.headers['x-trace'] = 'call'
            delete call.headers['x-secret']
            return next()
          },
        ],
        attempt: [
          (attempt, next) => {
            attempt.headers['x-user'] = `${attempt.headers['x-user']} too`
            return next()
          },
        ],
      },
    })
    const seen = forward(client, { rawHeaders: ['X-Keep', 'a', 'X-User', 'me', 'X-Secret', 's', 'x-keep', 'b'] })
    await seen.ended
    const list = JSON.parse(seen.text) as string[]
    expect(list.join(' ')).toContain('X-Keep a x-keep b')
    expect(list).toEqual(expect.arrayContaining(['x-user', 'me too', 'x-trace', 'call']))
    expect(list.join(' ').toLowerCase()).not.toContain('secret')
  })
})

describe('a pushed body', () => {
  const echo = (id: string) => world.serve((incoming, response) => void incoming.pipe(response), { id })

  test('flows with back-pressure, and so does the response', async () => {
    await echo('a')
    const chunk = Buffer.alloc(65_536, 'x')
    let bytes = 0
    let waits = 0
    const drained: (() => void)[] = []
    const seen = forward(
      world.client(),
      { method: 'POST', hasBody: true },
      {
        onDrain: () => drained.shift()?.(),
        onData: (data) => {
          bytes += data.length
        },
      },
    )
    for (let index = 0; index < 128; index++) {
      if (seen.control.write(chunk)) continue
      waits++
      await new Promise<void>((resolve) => drained.push(resolve))
    }
    seen.control.end()
    await seen.ended
    expect([seen.error, seen.status, bytes]).toEqual([undefined, 200, 128 * 65_536])
    expect(waits).toBeGreaterThan(10)
    expect(world.active()).toBe(0)
  })

  test('is sent again to another instance while it is small, also before its end', async () => {
    const bodies: string[] = []
    await world.serve(
      (incoming, response) => {
        incoming.once('data', (data) => bodies.push(String(data)))
        setTimeout(() => response.writeHead(503).end(), 10)
      },
      { id: 'a' },
    )
    await echo('b')
    const seen = forward(world.client({ retry }), { method: 'POST', hasBody: true })
    seen.control.write(Buffer.from('first '))
    await eventually(() => expect(bodies).toEqual(['first ']), 1_000)
    await delay(40)
    seen.control.write(Buffer.from('second'))
    seen.control.end()
    await seen.ended
    expect([seen.status, seen.text, seen.instanceId]).toEqual([200, 'first second', 'b'])
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('that is larger than replayBytes is sent once: the caller gets the bad status', async () => {
    await world.serve((incoming, response) => incoming.resume().on('end', () => response.writeHead(503).end('no')), { id: 'a' })
    await echo('b')
    const seen = forward(world.client({ retry }), { method: 'POST', hasBody: true, replayBytes: 10 })
    seen.control.write(Buffer.from('more than ten bytes'))
    await delay(30)
    seen.control.end()
    await seen.ended
    expect([seen.status, seen.text, seen.instanceId]).toEqual([503, 'no', 'a'])
  })

  test('goes to another instance, whatever its size, if no connection was made', async () => {
    await world.register(await closedPort(), { id: 'a' })
    await echo('b')
    const seen = forward(world.client(), { method: 'POST', hasBody: true, replayBytes: 0 })
    seen.control.write(Buffer.alloc(100_000, 'y'))
    seen.control.end()
    await seen.ended
    expect([seen.error?.code, seen.status, seen.text.length, seen.instanceId]).toEqual([undefined, 200, 100_000, 'b'])
  })

  test('need not be read: the caller gets a response that arrives before its end', async () => {
    await world.serve((_, response) => response.writeHead(413, { connection: 'close' }).end('too large'))
    const seen = forward(world.client(), { method: 'POST', hasBody: true })
    seen.control.write(Buffer.from('x'))
    await seen.ended
    expect([seen.status, seen.text]).toEqual([413, 'too large'])
    expect(seen.control.write(Buffer.from('y'))).toBe(true)
    seen.control.end()
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })
})

test('a paused response stops after at most one more chunk', async () => {
  await world.serve((_, response) => response.end(Buffer.alloc(5_000_000)))
  let bytes = 0
  const seen = forward(
    world.client(),
    { idleTimeoutMs: 60 },
    {
      onData(chunk) {
        bytes += chunk.length
        if (bytes === chunk.length) seen.control.pause()
      },
    },
  )
  await delay(200)
  const first = bytes
  expect([first > 0, first < 1_000_000, seen.error]).toEqual([true, true, undefined])
  seen.control.resume()
  await seen.ended
  expect([bytes, seen.error]).toEqual([5_000_000, undefined])
})

describe('limits', () => {
  const table: Record<string, { request: Partial<ForwardRequest>; url: string; code: string; status?: number }> = {
    'until the head': { request: { headTimeoutMs: 60 }, url: '/silent', code: 'SD_DEADLINE_EXCEEDED' },
    'between two chunks': { request: { idleTimeoutMs: 60 }, url: '/stalls', code: 'SD_TIMEOUT', status: 200 },
    'for the whole': { request: { maxDurationMs: 400 }, url: '/drips', code: 'SD_DEADLINE_EXCEEDED', status: 200 },
    'for the whole, before the head': { request: { maxDurationMs: 60 }, url: '/silent', code: 'SD_DEADLINE_EXCEEDED' },
  }
  test.each(Object.entries(table))('%s', async (_, { request, url, code, status }) => {
    await world.serve((incoming, response) => {
      if (incoming.url === '/silent') return
      response.write('a')
      if (incoming.url === '/drips') setInterval(() => response.write('b'), 20).unref()
    })
    const seen = forward(world.client(), { path: url, ...request })
    await seen.ended
    expect([seen.error?.code, seen.status]).toEqual([code, status])
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('a stream with traffic may last longer than headTimeoutMs and idleTimeoutMs', async () => {
    await world.serve((_, response) => {
      const timer = setInterval(() => response.write('.'), 20)
      setTimeout(() => {
        clearInterval(timer)
        response.end('!')
      }, 900)
      response.write('.')
    })
    const seen = forward(world.client(), { headTimeoutMs: 400, idleTimeoutMs: 400 })
    await seen.ended
    expect([seen.error, seen.text.endsWith('!')]).toEqual([undefined, true])
  })

  test('headTimeoutMs restarts with every chunk of the request body', async () => {
    await world.serve((incoming, response) => incoming.resume().on('end', () => response.end('ok')))
    const seen = forward(world.client(), { method: 'POST', hasBody: true, headTimeoutMs: 350 })
    for (let part = 0; part < 5; part++) {
      seen.control.write(Buffer.from('x'))
      await delay(120)
    }
    seen.control.end()
    await seen.ended
    expect([seen.error, seen.text]).toEqual([undefined, 'ok'])
  })
})

describe('policies', () => {
  test('the outcome is judged by the trailers; breakers and telemetry see it', async () => {
    await world.serve((_, response) => {
      response.writeHead(200, { trailer: 'grpc-status' }).write('x')
      response.addTrailers({ 'grpc-status': '14' })
      response.end()
    })
    const ends: unknown[] = []
    const stops = [
      subscribeTelemetry('sd:v1:attempt:end', () => ends.push('attempt')),
      subscribeTelemetry('sd:v1:call:end', () => ends.push('call')),
    ]
    const client = world.client({
      breaker: ({ name }) => createOpossumBreaker({ name, window: { kind: 'count', size: 2 }, minimumCalls: 2 }),
    })
    const judge: ForwardRequest['judge'] = (_, trailers) => trailers[trailers.indexOf('grpc-status') + 1] !== '0'
    for (let call = 0; call < 2; call++) await forward(client, { judge }).ended
    expect(client.breaker('orders')?.state).toBe('open')
    const refused = forward(client, { judge })
    await refused.ended
    expect(refused.error).toMatchObject({ code: 'SD_REJECTED' })
    for (const stop of stops) stop()
    expect(ends.length).toBe(5)
  })

  test('an instance filter applies to one request', async () => {
    for (const id of ['a', 'b', 'c']) await world.serve((_, response) => response.end(id), { id })
    const client = world.client()
    for (let call = 0; call < 4; call++) {
      const seen = forward(client, { filter: ({ id }) => id === 'b' })
      await seen.ended
      expect(seen.text).toBe('b')
    }
    const none = forward(client, { filter: () => false })
    await none.ended
    expect(none.error).toMatchObject({ code: 'SD_NO_INSTANCE' })
  })

  test('a preferred endpoint gets the first attempt, unless it may not be picked', async () => {
    for (const id of ['a', 'b', 'c']) {
      await world.serve((_, response) => response.writeHead(id === 'c' ? 503 : 200).end(id), { id })
    }
    const balancer: Balancer = {
      name: 'first',
      createPicker: ({ endpoints }) => ({ pick: ({ attempted }) => endpoints.find((one) => !attempted?.includes(one)) }),
    }
    const client = world.client({ balancer, retry })
    const lists = new Set<unknown>()
    const call = async (id: string, filter: ForwardRequest['filter'] = () => true): Promise<string> => {
      const prefer: ForwardRequest['prefer'] = (endpoints) => {
        lists.add(endpoints)
        return endpoints.find(({ instance }) => instance.id === id)
      }
      const seen = forward(client, { prefer, filter })
      await seen.ended
      return seen.text
    }
    expect([await call('b'), await call('b'), await call('none')]).toEqual(['b', 'b', 'a'])
    expect(lists.size).toBe(1)
    expect(await call('b', ({ id }) => id !== 'b')).toBe('a')
    expect(await call('c')).toBe('a')
  })

  test('abort, close and a throwing handler end the request', async () => {
    await world.serve((_, response) => void response.write('head'))
    const client = world.client({ closeTimeoutMs: 20 })
    const reason = new SdError('SD_ABORTED', 'The browser disconnected')
    const aborted = forward(client)
    setTimeout(() => aborted.control.abort(reason), 50)
    await aborted.ended
    expect(aborted.error).toMatchObject({ code: 'SD_ABORTED' })
    const thrown = forward(
      client,
      {},
      {
        onData() {
          throw new Error('bug')
        },
      },
    )
    await thrown.ended
    expect(thrown.error?.message).toContain('bug')
    await eventually(() => expect(world.active()).toBe(0), 1_000)
    const closed = forward(client)
    await delay(30)
    await client.close()
    await closed.ended
    expect([closed.error?.code, world.active()]).toEqual(['SD_CLOSED', 0])
    expect(() => forward(client)).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
  })

  const bad: [string, object][] = [
    ['method', { method: 'CONNECT' }],
    ['path', { path: 'x' }],
    ['rawHeaders', { rawHeaders: ['a'] }],
    ['headTimeoutMs', { headTimeoutMs: -1 }],
    ['idleTimeoutMs', { idleTimeoutMs: 'x' }],
    ['maxDurationMs', { maxDurationMs: Number.NaN }],
    ['replayBytes', { replayBytes: -1 }],
    ['filter', { filter: 1 }],
    ['prefer', { prefer: 'a' }],
    ['judge', { judge: 1 }],
    ['other', { other: 1 }],
  ]
  test.each(bad)('%s is validated', (field, request) => {
    expect(() => forward(world.client(), request)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })
})

describe('upgrades', () => {
  test('hand out the socket, which is active until it closes; a rejected upgrade is a response', async () => {
    const server = createServer((_, response) => response.writeHead(426, 'Upgrade Required').end('no'))
    server.on('upgrade', (incoming, socket) => {
      socket.on('error', () => undefined)
      if (incoming.headers.upgrade !== 'websocket') return socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: 1\r\n\r\nhello')
      socket.pipe(socket)
      return undefined
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await world.register((server.address() as AddressInfo).port, { id: 'a' })
    const client = world.client({ timeoutMs: 1_000 })
    const seen = forward(client, { upgrade: 'websocket', rawHeaders: ['Sec-WebSocket-Version', '13'] })
    await seen.ended
    expect(seen.rawHeaders).toEqual(expect.arrayContaining(['X-Own', '1']))
    const { socket } = seen
    let data = ''
    socket?.on('data', (chunk) => (data += chunk))
    socket?.write(' world')
    // Longer than the time limit of a call.
    await delay(1_050)
    expect([data, world.active()]).toEqual(['hello world', 1])
    socket?.destroy()
    await eventually(() => expect(world.active()).toBe(0), 1_000)
    const refused = forward(client, { upgrade: 'other' })
    await refused.ended
    expect(refused.status ?? refused.error?.code).toBe(400)
    server.close()
  })
})

import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createEndpoint, createServiceInstance, type Endpoint, SdError } from '@sd/core'
import { eventually } from '@sd/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { createHttp1Transport, type Http1TransportOptions, type Transport } from '../index.ts'
import { send } from '../testing/recording-handler.ts'
import { closedPort } from '../testing/world.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function endpointAt(port: number): Endpoint {
  return createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: '127.0.0.1', port }))
}

/** A server with its connections. */
async function listen(server: Server): Promise<{ endpoint: Endpoint; sockets: Socket[] }> {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { endpoint: endpointAt((server.address() as AddressInfo).port), sockets }
}

const serve = (listener: RequestListener) => listen(createHttpServer({ keepAlive: true }, listener))

function open(options: Http1TransportOptions = {}): Transport {
  const transport = createHttp1Transport(options)
  closers.push(() => transport.close())
  return transport
}

const get = { method: 'GET', path: '/', headers: {}, body: null }

async function ask(transport: Transport, endpoint: Endpoint, path: string = '/') {
  const { recorded } = send(transport, endpoint, { ...get, path })
  await recorded.ended
  return recorded
}

describe('connections', () => {
  test('are used again, up to their number, and further requests wait in order', async () => {
    const order: (string | undefined)[] = []
    const { endpoint, sockets } = await serve((request, response) => {
      order.push(request.url)
      setTimeout(() => response.end('ok'), 5)
    })
    const transport = open({ connections: 2 })
    const all = await Promise.all(Array.from({ length: 12 }, (_, index) => ask(transport, endpoint, `/${index}`)))
    expect(all.map(({ status, text }) => [status, text])).toEqual(new Array(12).fill([200, 'ok']))
    expect(sockets.length).toBe(2)
    const [first, ...rest] = order.slice(2)
    expect([first, ...rest]).toEqual(Array.from({ length: 10 }, (_, index) => `/${index + 2}`))
  })

  test('have a limited number of waiting requests', async () => {
    const { endpoint } = await serve(() => undefined)
    const transport = open({ connections: 1, maxWaiting: 2 })
    const sent = Array.from({ length: 4 }, () => send(transport, endpoint, get))
    // The first one waits for the connection too.
    await sent[3]?.recorded.ended
    expect(sent.map(({ recorded }) => recorded.error?.code)).toEqual([undefined, undefined, 'SD_REJECTED', 'SD_REJECTED'])
    expect(sent[3]?.recorded.wasSent).toBe(false)
  })

  test.each([
    [
      'after connection: close',
      (response: { setHeader(name: string, value: string): unknown }) => response.setHeader('connection', 'close'),
    ],
    [
      'after keep-alive: timeout=1',
      (response: { setHeader(name: string, value: string): unknown }) => response.setHeader('keep-alive', 'timeout=1'),
    ],
  ])('are not used again %s', async (_, prepare) => {
    const { endpoint, sockets } = await serve((_request, response) => {
      prepare(response)
      response.end('ok')
    })
    const transport = open()
    await ask(transport, endpoint)
    await ask(transport, endpoint)
    expect(sockets.length).toBe(2)
  })

  test('that are idle for too long are closed', async () => {
    const { endpoint, sockets } = await serve((_request, response) => void response.end('ok'))
    await ask(open({ keepAliveTimeoutMs: 150 }), endpoint)
    await eventually(() => expect(sockets[0]?.readableEnded || sockets[0]?.destroyed).toBe(true), 20_000)
  })

  test('with unrequested bytes are not used again, and the next request gets its own response', async () => {
    const server = createServer((socket) => {
      socket.on('data', (data) => {
        const path = /^GET (\S+)/.exec(String(data))?.[1] ?? ''
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${path.length}\r\n\r\n${path}`)
        if (path === '/a') setTimeout(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad'), 10)
        if (path === '/b') socket.write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad')
      })
    })
    const { endpoint, sockets } = await listen(server)
    const transport = open()
    expect((await ask(transport, endpoint, '/a')).text).toBe('/a')
    await eventually(() => expect(sockets[0]?.destroyed).toBe(true), 20_000)
    expect((await ask(transport, endpoint, '/b')).text).toBe('/b')
    expect((await ask(transport, endpoint, '/c')).text).toBe('/c')
    expect(sockets.length).toBe(3)
  })

  test('that the server closes while they are idle are not used again', async () => {
    const { endpoint, sockets } = await serve((_request, response) => void response.end('ok'))
    const transport = open()
    for (let round = 0; round < 3; round++) {
      expect((await ask(transport, endpoint)).text).toBe('ok')
      const socket = sockets[round] as Socket
      socket.end()
      await once(socket, 'close')
    }
    expect(sockets.length).toBe(3)
  })

  test('that can not be made were not sent on', async () => {
    const recorded = await ask(open(), endpointAt(await closedPort()))
    expect([recorded.error?.code, recorded.error?.origin, recorded.wasSent, recorded.sent]).toEqual([
      'SD_UNAVAILABLE',
      'network',
      false,
      false,
    ])
  })

  test('whose opening takes too long end with an error', async () => {
    // Reserved for documentation (RFC 5737): nothing responds, or the network is unreachable.
    const endpoint = createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: '192.0.2.1', port: 9 }))
    const recorded = await ask(open({ connectTimeoutMs: 50 }), endpoint)
    expect([recorded.error?.code, recorded.wasSent]).toEqual(['SD_UNAVAILABLE', false])
  })
})

describe('a response', () => {
  test('that is paused stops the server, and arrives completely', async () => {
    const size = 8_000_000
    const { endpoint, sockets } = await serve((_request, response) => void response.end(Buffer.alloc(size)))
    const { exchange, recorded } = send(open(), endpoint, get, { pauseAfter: 1 })
    await eventually(() => expect(recorded.bytes).toBeGreaterThan(0), 20_000)
    await eventually(() => expect(sockets[0]?.writableLength).toBeGreaterThan(0), 20_000)
    const atPause = recorded.bytes
    expect(atPause).toBeLessThan(size / 2)
    recorded.pauseAfter = Number.POSITIVE_INFINITY
    exchange.resume()
    await recorded.ended
    expect([recorded.bytes, recorded.isComplete]).toEqual([size, true])
  })

  test('whose reader pauses at its last byte ends after it resumes', async () => {
    const { endpoint } = await serve((_request, response) => void response.end('ok'))
    const { exchange, recorded } = send(open(), endpoint, get, { pauseAfter: 1 })
    await eventually(() => expect(recorded.text).toBe('ok'), 20_000)
    expect(recorded.isComplete).toBe(false)
    exchange.resume()
    await recorded.ended
    expect(recorded.isComplete).toBe(true)
  })

  test('before the end of the request ends the connection with it', async () => {
    const { endpoint, sockets } = await serve((_request, response) => void response.end('early'))
    const transport = open()
    const { exchange, recorded } = send(transport, endpoint, { ...get, method: 'POST', pushed: true })
    exchange.write(Buffer.from('part'))
    await recorded.ended
    expect(recorded.text).toBe('early')
    expect((await ask(transport, endpoint)).text).toBe('early')
    expect(sockets.length).toBe(2)
  })

  test('may change the protocol, and the bytes behind it belong to the new one', async () => {
    const server = createServer((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\nfirst')
        socket.on('data', (data) => socket.write(`<${data}>`))
      })
    })
    const { endpoint } = await listen(server)
    const { recorded } = send(open(), endpoint, { ...get, upgrade: 'echo' })
    await eventually(() => expect(recorded.socket).toBeDefined(), 20_000)
    let text = ''
    recorded.socket?.on('data', (data) => {
      text += data
    })
    recorded.socket?.write('ping')
    await eventually(() => expect(text).toBe('first<ping>'), 20_000)
    recorded.socket?.destroy()
  })
})

test('an abort in any phase ends the exchange at once, once, and the next request is not affected', async () => {
  const { endpoint } = await serve((request, response) => {
    if (request.url === '/slow') response.write('part')
    else if (request.url !== '/never') response.end('ok')
  })
  const transport = open({ connections: 1 })
  const reason = new SdError('SD_ABORTED', 'gone')
  for (const path of ['/never', '/slow', '/never']) {
    const { exchange, recorded } = send(transport, endpoint, { ...get, path })
    if (path === '/slow') await eventually(() => expect(recorded.text).toBe('part'), 20_000)
    exchange.abort(reason)
    exchange.abort(reason)
    expect(recorded.error).toBe(reason)
  }
  expect((await ask(transport, endpoint)).text).toBe('ok')
})

test('close ends what is in progress and what waits, and later requests', async () => {
  const { endpoint } = await serve(() => undefined)
  const transport = open({ connections: 1 })
  const sent = [send(transport, endpoint, get), send(transport, endpoint, get)]
  await eventually(() => expect(sent[0]?.recorded.sent).toBe(true), 20_000)
  await transport.close()
  const late = send(transport, endpoint, get)
  await late.recorded.ended
  expect([...sent, late].map(({ recorded }) => recorded.error?.code)).toEqual(['SD_CLOSED', 'SD_CLOSED', 'SD_CLOSED'])
})

test.each<[string, Partial<typeof get> & { rawHeaders?: readonly string[]; pushed?: boolean }]>([
  ['a line break in a value', { rawHeaders: ['x-a', 'b\r\nx-evil: 1'] }],
  ['a line break in a name', { rawHeaders: ['x-a\r\nx-evil', 'b'] }],
  ['a NUL in a value', { headers: { 'x-a': 'b\0' } as never }],
  ['a character beyond Latin-1', { headers: { 'x-a': '日' } as never }],
  ['two hosts', { rawHeaders: ['host', 'a', 'Host', 'b'] }],
  ['a space in the path', { path: '/a b' }],
  ['a line break in the path', { path: '/a\r\nx: 1' }],
  ['a method that is not a token', { method: 'GET /x HTTP/1.1\r\n' }],
  ['a length that is not a number', { pushed: true, rawHeaders: ['content-length', '1e3'] }],
])('a request with %s is not sent, and the error does not quote it', async (_, part) => {
  let requests = 0
  const { endpoint } = await serve((_request, response) => {
    requests++
    response.end()
  })
  const { recorded } = send(open(), endpoint, { ...get, ...part })
  await recorded.ended
  expect([recorded.error?.code, recorded.error?.origin, recorded.wasSent, requests]).toEqual(['SD_INVALID', 'caller', false, 0])
  expect(recorded.error?.message).toBe("The request can't be sent: its method, path or header fields are not valid")
})

test.each([
  ['connections', { connections: 0 }],
  ['maxWaiting', { maxWaiting: 0 }],
  ['keepAliveTimeoutMs', { keepAliveTimeoutMs: -1 }],
  ['connectTimeoutMs', { connectTimeoutMs: 0 }],
  ['maxHeadBytes', { maxHeadBytes: 1 }],
  ['other', { other: 1 }],
])('the option %s is checked', (field, options) => {
  expect(() => createHttp1Transport(options as Http1TransportOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field }),
  )
})

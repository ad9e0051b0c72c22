import { once } from 'node:events'
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createEndpoint, createServiceInstance, type Endpoint, originOf, SdError } from '@sd/core'
import { eventually } from '@sd/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { createFrameServer, endHeaders, endStream, frame, status200, uint32 } from '../testing/http2-frames.ts'
import { type Recorded, send } from '../testing/recording-handler.ts'
import type { Transport } from '../transport/transport.ts'
import type { Http2TransportOptions } from './http2-options.ts'
import { createHttp2Transport } from './http2-transport.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

interface Stage {
  readonly endpoint: Endpoint
  readonly server: Http2Server
  readonly sessions: ServerHttp2Session[]
}

async function listen(server: Server | Http2Server): Promise<Endpoint> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: '127.0.0.1', port, protocol: 'h2c' }))
}

async function serve(onStream: (stream: ServerHttp2Stream, path: string) => void, settings: object = {}): Promise<Stage> {
  const server = createServer({ settings })
  const sessions: ServerHttp2Session[] = []
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => undefined)
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    onStream(stream, String(headers[':path']))
  })
  const endpoint = await listen(server)
  closers.push(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { endpoint, server, sessions }
}

function open(options: Http2TransportOptions = {}): Transport {
  const transport = createHttp2Transport(options)
  closers.push(() => void transport.close())
  return transport
}

const until = (check: () => void): Promise<void> => eventually(check, 5_000)

const get = { method: 'GET', path: '/', headers: {}, body: null }

function codesOf(all: readonly Recorded[]): readonly (string | undefined)[] {
  return all.map(({ error }) => error?.code)
}

describe('an exchange', () => {
  test('carries raw fields, informational responses, bodies and trailers in both directions', async () => {
    let trailers: unknown
    const { endpoint } = await serve((stream) => {
      stream.on('trailers', (fields) => {
        trailers = fields['x-checksum']
      })
      stream.additionalHeaders({ ':status': 103, link: '</a>' })
      let text = ''
      stream.on('data', (chunk) => {
        text += chunk
      })
      stream.on('end', () => {
        stream.respond([':status', '200', 'x-a', '1', 'x-a', '2'], { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(`got ${text}`)
      })
    })
    const request = { ...get, method: 'POST', pushed: true, rawHeaders: ['X-B', '1', 'x-b', '2', 'te', 'trailers'] }
    const { exchange, recorded } = send(open(), endpoint, request)
    exchange.write(Buffer.from('ab'))
    exchange.write(Buffer.from('cd'))
    exchange.end(['x-checksum', '7'])
    await recorded.ended
    expect(recorded).toMatchObject({ status: 200, text: 'got abcd', trailers: { 'grpc-status': '0' }, error: undefined })
    expect(recorded.informational).toEqual([[103, expect.objectContaining({ link: '</a>' })]])
    expect(exchange.rawHeaders.slice(0, 4)).toEqual(['x-a', '1', 'x-a', '2'])
    expect([exchange.rawTrailers, trailers]).toEqual([['grpc-status', '0'], '7'])
  })

  test('a pushed body is held back until the server reads, and all of its 4 MiB arrive', async () => {
    let bytes = 0
    const { endpoint } = await serve((stream) => {
      stream.on('data', (chunk: Uint8Array) => {
        bytes += chunk.length
      })
      stream.pause()
      setTimeout(() => stream.resume(), 20)
      stream.on('end', () => {
        stream.respond()
        stream.end()
      })
    })
    const { exchange, recorded } = send(open(), endpoint, { ...get, method: 'PUT', pushed: true })
    const chunk = Buffer.alloc(65_536)
    let left = 64
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
    expect([bytes, recorded.status, waits > 4]).toEqual([64 * 65_536, 200, true])
  })

  test('a slow reader pauses the server', async () => {
    let written = 0
    const { endpoint } = await serve((stream) => {
      stream.respond()
      const chunk = Buffer.alloc(65_536)
      const pump = (): void => {
        while (written < 256) {
          written++
          if (!stream.write(chunk)) return
        }
        stream.end()
      }
      stream.on('drain', pump)
      pump()
    })
    const { exchange, recorded } = send(open(), endpoint, get, { pauseAfter: 1 })
    await until(() => expect(recorded.bytes).toBeGreaterThan(0))
    await delay(50)
    expect(written).toBeLessThan(64)
    recorded.pauseAfter = Number.POSITIVE_INFINITY
    exchange.resume()
    await recorded.ended
    expect(recorded.bytes).toBe(256 * 65_536)
  })

  test('a failing request body counts against the caller, and the connection stays open', async () => {
    const { endpoint, sessions } = await serve((stream, path) => {
      stream.resume()
      if (path === '/') stream.on('end', () => stream.respond({}, { endStream: true }))
    })
    const transport = open()
    const body = (async function* () {
      yield Buffer.from('a')
      throw new Error('the browser disconnected')
    })()
    const failed = send(transport, endpoint, { ...get, method: 'POST', path: '/upload', body })
    await failed.recorded.ended
    expect(failed.recorded.error).toMatchObject({ code: 'SD_ABORTED', origin: 'caller' })
    const next = send(transport, endpoint, get)
    await next.recorded.ended
    expect([next.recorded.status, sessions.length]).toEqual([200, 1])
  })

  test('an abort ends the exchange at once, in every phase', async () => {
    const { endpoint } = await serve((stream, path) => path === '/body' && stream.respond() && stream.write('part'))
    const transport = open()
    const connecting = send(transport, endpoint, get)
    connecting.exchange.abort(new SdError('SD_ABORTED', 'now'))
    const waiting = send(transport, endpoint, get)
    const reading = send(transport, endpoint, { ...get, path: '/body' })
    await until(() => expect(reading.recorded.status).toBe(200))
    waiting.exchange.abort(new SdError('SD_ABORTED', 'now'))
    reading.exchange.abort(new SdError('SD_ABORTED', 'now'))
    expect(codesOf([connecting.recorded, waiting.recorded, reading.recorded])).toEqual(['SD_ABORTED', 'SD_ABORTED', 'SD_ABORTED'])
  })
})

describe('limits', () => {
  test('the server’s limit of streams is respected: up to maxSessions connections are opened, and further requests wait', async () => {
    const held: ServerHttp2Stream[] = []
    const { endpoint, sessions } = await serve((stream) => held.push(stream), { maxConcurrentStreams: 2 })
    const transport = open({ maxSessions: 2 })
    const calls = Array.from({ length: 9 }, () => send(transport, endpoint, get))
    await until(() => expect(held.length).toBe(4))
    let most = 0
    for (let done = 0; done < 9; done++) {
      await until(() => expect(held.length).toBeGreaterThan(0))
      most = Math.max(most, held.length)
      held.shift()?.respond({}, { endStream: true })
    }
    await Promise.all(calls.map(({ recorded }) => recorded.ended))
    expect([most, sessions.length, codesOf(calls.map(({ recorded }) => recorded)).filter(Boolean)]).toEqual([4, 2, []])
  })

  test('a request over maxWaiting is rejected, with local origin', async () => {
    const { endpoint } = await serve(() => undefined)
    const transport = open({ maxSessions: 1, maxStreams: 1, maxWaiting: 2 })
    const calls = [1, 2].map(() => send(transport, endpoint, get))
    await until(() => expect(calls[0]?.recorded.sent).toBe(true))
    send(transport, endpoint, get)
    const last = send(transport, endpoint, get)
    await last.recorded.ended
    expect(last.recorded).toMatchObject({ error: { code: 'SD_REJECTED' }, wasSent: false })
  })

  test('an idle connection is closed, and the next request opens another one', async () => {
    const { endpoint, sessions } = await serve((stream) => stream.respond({}, { endStream: true }))
    const transport = open({ idleMs: 30 })
    await send(transport, endpoint, get).recorded.ended
    await until(() => expect(sessions[0]?.destroyed).toBe(true))
    const next = send(transport, endpoint, get)
    await next.recorded.ended
    expect([next.recorded.status, sessions.length]).toEqual([200, 2])
  })
})

test('requests that are cancelled in numbers do not end the connection of others: it gets no further requests', async () => {
  const arrived: ServerHttp2Stream[] = []
  const { endpoint, sessions } = await serve((stream, path) => {
    if (path === '/others') stream.respond()
    arrived.push(stream)
  })
  const transport = open()
  const others = send(transport, endpoint, { ...get, path: '/others' })
  await until(() => expect(arrived).toHaveLength(1))
  // Node.js ends a connection after 1,000 resets and 33 more in each second.
  for (let count = 1; count < 2_000; ) {
    const calls = Array.from({ length: 50 }, () => send(transport, endpoint, get))
    count += 50
    await until(() => expect(arrived).toHaveLength(count))
    for (const { exchange } of calls) exchange.abort(new SdError('SD_ABORTED', 'The client has left'))
  }
  arrived[0]?.end('complete')
  await others.recorded.ended
  expect(others.recorded).toMatchObject({ text: 'complete', error: undefined })
  await until(() => expect(sessions.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(1))
})

describe('a server that shuts down', () => {
  test('GOAWAY: processed requests continue, others are sent once more on a new connection', async () => {
    const held: ServerHttp2Stream[] = []
    const { endpoint, sessions } = await serve((stream) => held.push(stream))
    const transport = open()
    const first = send(transport, endpoint, get)
    const second = send(transport, endpoint, get)
    await until(() => expect(held.length).toBe(2))
    sessions[0]?.goaway(constants.NGHTTP2_NO_ERROR, held[0]?.id)
    await until(() => expect([sessions.length, held.length]).toEqual([2, 3]))
    held[0]?.respond({}, { endStream: true })
    held[2]?.respond({}, { endStream: true })
    await Promise.all([first.recorded.ended, second.recorded.ended])
    expect([first.recorded.status, second.recorded.status]).toEqual([200, 200])
  })

  test('GOAWAY of a server that accepts no more connections: unprocessed requests are reported as not sent', async () => {
    const held: ServerHttp2Stream[] = []
    const { endpoint, server, sessions } = await serve((stream) => held.push(stream))
    const transport = open()
    const body = (async function* () {
      yield Buffer.from('a')
    })()
    const calls = [get, get, { ...get, method: 'POST', body }].map((request) => send(transport, endpoint, request).recorded)
    await until(() => expect(held.length).toBe(3))
    server.close()
    sessions[0]?.goaway(constants.NGHTTP2_NO_ERROR, held[0]?.id)
    const [, second, third] = calls
    await Promise.all([second?.ended, third?.ended])
    expect(second).toMatchObject({ error: { code: 'SD_UNAVAILABLE', retryable: true }, wasSent: false })
    // Part of its body was sent, so it can't be sent to another endpoint.
    expect(third).toMatchObject({ error: { code: 'SD_UNAVAILABLE' }, wasSent: undefined })
  })

  test.each([
    ['REFUSED_STREAM', constants.NGHTTP2_REFUSED_STREAM, false],
    ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR, undefined],
    ['CANCEL', constants.NGHTTP2_CANCEL, undefined],
    ['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM, undefined],
    ['PROTOCOL_ERROR', constants.NGHTTP2_PROTOCOL_ERROR, undefined],
    ['NO_ERROR', constants.NGHTTP2_NO_ERROR, undefined],
  ])('RST_STREAM with %s before a response is a retryable failure', async (_, code, wasSent) => {
    const { endpoint } = await serve((stream) => stream.close(code))
    const { recorded } = send(open(), endpoint, get)
    await recorded.ended
    expect(recorded).toMatchObject({ error: { code: 'SD_UNAVAILABLE', retryable: true }, wasSent })
  })

  const part = frame('data', 0, 1, Buffer.from('part'))
  const head = frame('headers', endHeaders, 1, status200)
  /** `content-length: 100` as a literal with an indexed name. */
  const sizedHead = frame('headers', endHeaders, 1, Buffer.concat([status200, Buffer.from([0x0f, 0x0d, 3]), Buffer.from('100')]))
  const names = Object.entries({ PROTOCOL_ERROR: 1, INTERNAL_ERROR: 2, REFUSED_STREAM: 7, CANCEL: 8, ENHANCE_YOUR_CALM: 11 })

  test.each<[string, readonly Buffer[]]>([
    ...names.map(([name, code]): [string, Buffer[]] => [
      `RST_STREAM ${name}`,
      [head, part, frame('resetStream', 0, 1, uint32(code))],
    ]),
    ['RST_STREAM NO_ERROR, although the length is known', [sizedHead, part, frame('resetStream', 0, 1, uint32(0))]],
    ['an end before the promised length', [sizedHead, frame('data', endStream, 1, Buffer.from('part'))]],
    ['GOAWAY with an error', [head, part, frame('goAway', 0, 0, uint32(1, 2))]],
    ['GOAWAY without one, and the end of the connection', [head, part, frame('goAway', 0, 0, uint32(1, 0)), Buffer.alloc(0)]],
    ['the end of the connection', [head, part, Buffer.alloc(0)]],
    ['half a frame, and the end of the connection', [head, part, part.subarray(0, 11), Buffer.alloc(0)]],
  ])('a body that is cut by %s is an error', async (_, frames) => {
    const server = createFrameServer((socket) => {
      socket.write(Buffer.concat(frames as Buffer[]))
      if (frames.at(-1)?.length === 0) setTimeout(() => socket.destroy(), 20)
    })
    const endpoint = await listen(server)
    closers.push(() => server.close())
    const { recorded } = send(open(), endpoint, get)
    await recorded.ended
    expect([recorded.status, recorded.isComplete]).toEqual([200, false])
    expect(recorded.error?.code).toMatch(/^SD_(UNAVAILABLE|MALFORMED)$/)
    expect(['network', 'peer']).toContain(originOf(recorded.error))
  })

  test('a body that is cut with its connection after GOAWAY is an error, however busy the event loop is', async () => {
    const server = createFrameServer((socket) => {
      socket.write(Buffer.concat([head, part, frame('goAway', 0, 0, uint32(1, 0))]))
      setTimeout(() => socket.destroy(), 20)
    })
    const endpoint = await listen(server)
    closers.push(() => server.close())
    const cell = new Int32Array(new SharedArrayBuffer(4))
    const stalls = setInterval(() => Atomics.wait(cell, 0, 0, 40 * Math.random()), 7)
    for (let round = 0; round < 20; round++) {
      const { recorded } = send(open(), endpoint, get)
      await recorded.ended
      expect(recorded).toMatchObject({ status: 200, isComplete: false, error: { code: 'SD_UNAVAILABLE' } })
    }
    clearInterval(stalls)
  })

  test('a broken connection fails its requests, and the next request opens another one', async () => {
    const { endpoint, sessions } = await serve((stream, path) => {
      stream.respond()
      if (path === '/cut') stream.write('part')
      else stream.end('good')
    })
    const transport = open()
    const { recorded } = send(transport, endpoint, { ...get, path: '/cut' })
    await until(() => expect(recorded.text).toBe('part'))
    sessions[0]?.destroy()
    await recorded.ended
    expect(recorded).toMatchObject({ error: { code: 'SD_UNAVAILABLE' }, isComplete: false })
    const next = send(transport, endpoint, get)
    await next.recorded.ended
    expect(next.recorded.text).toBe('good')
  })

  test('a silent connection is given up after a PING without reply', async () => {
    const server = createFrameServer((socket) => socket.write(Buffer.concat([head, part])))
    const endpoint = await listen(server)
    closers.push(() => server.close())
    const { recorded } = send(open({ pingIntervalMs: 30, pingTimeoutMs: 30 }), endpoint, get)
    await recorded.ended
    expect([recorded.text, recorded.isComplete]).toEqual(['part', false])
    expect(recorded.error).toMatchObject({ code: 'SD_UNAVAILABLE', message: expect.stringContaining('PING') })
  })

  test.each([
    ['closes at once', (server: Server) => server.on('connection', (socket) => socket.destroy())],
    ['closes the connection gracefully', (server: Server) => server.on('connection', (socket) => socket.resume().end())],
    ['is silent', (server: Server) => server.on('connection', () => undefined)],
    ['speaks HTTP/1.1', (server: Server) => server.on('connection', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))],
  ])('a server that %s ends the request', async (_, prepare) => {
    const server = createTcpServer()
    prepare(server)
    const endpoint = await listen(server)
    closers.push(() => server.close())
    const { recorded, exchange } = send(open({ connectTimeoutMs: 100, pingIntervalMs: 50, pingTimeoutMs: 50 }), endpoint, get)
    await recorded.ended
    expect(recorded.error).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    exchange.abort(new SdError('SD_ABORTED', 'late'))
  })

  test('a request to a closed port is reported as not sent', async () => {
    const { endpoint, server, sessions } = await serve(() => undefined)
    for (const session of sessions) session.destroy()
    await new Promise((resolve) => server.close(resolve))
    const { recorded } = send(open(), endpoint, get)
    await recorded.ended
    expect(recorded).toMatchObject({ error: { code: 'SD_UNAVAILABLE', origin: 'network' }, wasSent: false, sent: false })
  })
})

test('closing ends all requests with SD_CLOSED, and rejects later ones', async () => {
  const { endpoint } = await serve(() => undefined)
  const transport = open({ maxSessions: 1, maxStreams: 1 })
  const calls = [1, 2].map(() => send(transport, endpoint, get))
  await until(() => expect(calls[0]?.recorded.sent).toBe(true))
  await transport.close()
  calls.push(send(transport, endpoint, get))
  await Promise.all(calls.map(({ recorded }) => recorded.ended))
  expect(codesOf(calls.map(({ recorded }) => recorded))).toEqual(['SD_CLOSED', 'SD_CLOSED', 'SD_CLOSED'])
})

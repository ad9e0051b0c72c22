import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from 'node:http2'
import { writeFrame } from '@sd/testing'
import { expect, onTestFinished, test, vi } from 'vitest'
import { getFields, openRawSession } from '../testing/raw-http2.ts'
import { startEdge } from '../testing/start-edge.ts'

function connectTo(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  onTestFinished(() => session.destroy())
  return session
}

interface Received {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly raw: readonly string[]
  readonly body: string
  readonly trailers: Record<string, unknown> | undefined
  readonly information: readonly Record<string, unknown>[]
}

/** The whole response of a stream. */
function receive(stream: ClientHttp2Stream): Promise<Received> {
  return new Promise((resolve, reject) => {
    let body = ''
    let head: { headers: Record<string, unknown>; raw: readonly string[] } | undefined
    let trailers: Record<string, unknown> | undefined
    const information: Record<string, unknown>[] = []
    stream.setEncoding('utf8')
    stream.on('headers', (fields) => information.push(fields))
    stream.on('response', (headers, _flags, raw?: unknown) => (head = { headers, raw: raw as string[] }))
    stream.on('trailers', (fields) => (trailers = fields))
    stream.on('data', (chunk) => (body += chunk))
    stream.on('error', reject)
    stream.on('close', () => {
      if (!head) reject(new Error(`no response, code ${stream.rstCode}`))
      else if (stream.rstCode !== 0) reject(new Error(`reset with ${stream.rstCode}`))
      else resolve({ status: head.headers[':status'] as number, ...head, body, trailers, information })
    })
  })
}

function get(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): Promise<Received> {
  return receive(session.request({ ':path': '/', ...headers }))
}

const echo = {
  http1: (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      response.end(JSON.stringify({ method: request.method, url: request.url, raw: request.rawHeaders, body }))
    })
  },
}

test('a request over HTTP/2 reaches a service over HTTP/1.1, with one cookie field, a host and no field of the connection', async () => {
  const { port } = await startEdge(echo)
  const stream = connectTo(port).request({
    ':method': 'POST',
    ':path': '/orders?full=1',
    ':authority': 'shop.example',
    cookie: ['a=1', 'b=2'],
    priority: 'u=1, i',
    'x-forwarded-client-cert': 'Hash=forged',
  })
  stream.write('three ')
  stream.end('pears')
  const { status, raw, body, headers } = await receive(stream)
  const request = JSON.parse(body) as { raw: string[] }
  expect(status).toBe(200)
  expect(raw).toEqual(expect.arrayContaining(['set-cookie', 'a=1', 'set-cookie', 'b=2']))
  expect(headers['transfer-encoding']).toBeUndefined()
  expect(request).toMatchObject({ method: 'POST', url: '/orders?full=1', body: 'three pears' })
  const fields = Object.fromEntries(request.raw.flatMap((name, index) => (index % 2 ? [] : [[name, request.raw[index + 1]]])))
  expect(fields).toMatchObject({
    host: 'shop.example',
    cookie: 'a=1; b=2',
    priority: 'u=1, i',
    via: expect.stringMatching(/^2 sd-gateway-[\da-f]{8}$/),
    'x-forwarded-proto': 'http',
  })
  expect(fields['x-forwarded-client-cert']).toBeUndefined()
})

test('fields, body and trailers pass from HTTP/2 to HTTP/2 and back, with early hints', async () => {
  const seen: string[][] = []
  const { port } = await startEdge({
    http2: (stream, raw) => {
      seen.push(raw)
      let body = ''
      stream.on('trailers', (_fields, _flags, trailers?: unknown) => seen.push(trailers as string[]))
      stream.on('data', (chunk) => (body += chunk))
      stream.on('end', () => {
        stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload' })
        stream.respond({ ':status': 200, 'x-a': ['1', '2'] }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(body)
      })
    },
  })
  const request = { ':path': '/', ':method': 'POST', ':authority': 'shop.example', te: 'trailers' }
  const stream = connectTo(port).request(request, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }))
  stream.end('pears')
  const { status, raw, body, trailers, information } = await receive(stream)
  expect({ status, body }).toEqual({ status: 200, body: 'pears' })
  expect(raw).toEqual(expect.arrayContaining(['x-a', '1', 'x-a', '2']))
  expect(trailers).toMatchObject({ 'grpc-status': '0' })
  expect(information).toMatchObject([{ ':status': 103, link: '</style.css>; rel=preload' }])
  expect(seen[0]).toEqual(expect.arrayContaining([':authority', 'shop.example', 'te', 'trailers']))
  expect(seen[0]).not.toContain('host')
  expect(seen[1]).toEqual(['x-sum', 'abc'])
})

test('a request over HTTP/1.1 reaches a service over HTTP/2', async () => {
  const { port } = await startEdge({
    http2: (stream, raw) => {
      stream.respond({ ':status': 201, 'x-raw': raw.join(' ') })
      stream.end('created')
    },
  })
  const response = await fetch(`http://127.0.0.1:${port}/orders`, { method: 'PUT', body: 'x' })
  expect([response.status, await response.text()]).toEqual([201, 'created'])
  expect(response.headers.get('x-raw')).toContain(`:authority 127.0.0.1:${port}`)
})

test.each([
  ['CONNECT is not allowed', { ':method': 'CONNECT', ':authority': 'shop.example:443' }, 405],
  ['TRACE is not allowed', { ':method': 'TRACE' }, 405],
  ['a host field that differs from the authority', { ':authority': 'a.example', host: 'b.example' }, 400],
  ['more fields than the limit', Object.fromEntries(Array.from({ length: 110 }, (_, index) => [`x-${index}`, '1'])), 431],
  ['a long path', { ':path': `/${'a'.repeat(9_000)}` }, 414],
  ['another expectation', { expect: 'magic', ':method': 'POST' }, 417],
])('%s: the response has its status, and the connection stays', async (_name, headers, status) => {
  const { port } = await startEdge(echo)
  const session = connectTo(port)
  const { ':method': method = 'GET' } = headers as { ':method'?: string }
  const head = method === 'CONNECT' ? headers : { ':path': '/', ...headers }
  expect((await receive(session.request(head, { endStream: true }))).status).toBe(status)
  expect((await get(session)).status).toBe(200)
})

test('a head that is longer than the limit resets its stream and no other', async () => {
  const { port } = await startEdge(echo, { limits: { headerBytes: 1_024 } })
  const session = connectTo(port)
  await once(session, 'remoteSettings')
  await expect(get(session, { 'x-long': 'a'.repeat(2_000) })).rejects.toThrow()
  expect((await get(session)).status).toBe(200)
})

test('a client that waits for 100 Continue gets it when the request is admitted', async () => {
  const { port } = await startEdge(echo)
  const stream = connectTo(port).request({ ':path': '/', ':method': 'POST', expect: '100-continue' }, { endStream: false })
  const received = receive(stream)
  await once(stream, 'continue')
  stream.end('pears')
  expect(JSON.parse((await received).body)).toMatchObject({ body: 'pears' })
})

test('a slow reader stops the service, and a slow service stops the client', async () => {
  const size = 8 * 1_048_576
  let written = 0
  let read = 0
  let readOn = () => {}
  const { port } = await startEdge({
    http1: (request, response) => {
      if (request.method === 'POST') {
        request.once('data', (chunk: Buffer) => {
          read += chunk.length
          request.pause()
          readOn = () => request.resume()
        })
        request.on('data', (chunk: Buffer) => (read += chunk.length))
        request.on('end', () => response.end('read'))
      } else {
        const chunk = Buffer.alloc(65_536)
        const fill = () => {
          while (written < size) {
            written += chunk.length
            if (!response.write(chunk)) return void response.once('drain', fill)
          }
          response.end()
        }
        fill()
      }
    },
  })
  const session = connectTo(port)
  const slow = session.request({ ':path': '/' })
  await once(slow, 'response')
  const upload = session.request({ ':path': '/', ':method': 'POST' })
  let sent = 0
  const send = () => {
    while (sent < size) {
      sent += 65_536
      if (!upload.write(Buffer.alloc(65_536))) return void upload.once('drain', send)
    }
    upload.end()
  }
  send()
  // Nothing moves any more once the buffers of four sockets are full.
  await settled(() => written + sent)
  expect(written).toBeLessThan(size)
  expect(sent).toBeLessThan(size)
  let length = 0
  slow.on('data', (chunk) => (length += chunk.length))
  const uploaded = receive(upload)
  readOn()
  await once(slow, 'end')
  expect((await uploaded).body).toBe('read')
  expect(length).toBe(size)
})

/** Waits until a number has not changed for a while. */
async function settled(count: () => number): Promise<void> {
  let before = -1
  while (before !== count()) {
    before = count()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('an upload that the client resets does not look complete to a service over HTTP/2', async () => {
  const events: string[] = []
  const { promise: isClosed, resolve } = Promise.withResolvers<void>()
  const { port } = await startEdge({
    http2: (stream) => {
      stream.on('data', () => events.push('data'))
      stream.on('aborted', () => events.push('aborted'))
      stream.on('end', () => events.push(`end, aborted: ${stream.aborted}`))
      stream.on('close', resolve)
      stream.on('data', () => upload.close(constants.NGHTTP2_CANCEL))
    },
  })
  const upload = connectTo(port).request({ ':path': '/', ':method': 'POST' })
  upload.on('error', () => {})
  upload.write('half of it')
  await isClosed
  expect(events).toContain('aborted')
  expect(events).not.toContain('end, aborted: false')
})

test('a reset by the client aborts the request to the service', async () => {
  let aborted: (value: unknown) => void = () => {}
  const isAborted = new Promise((resolve) => (aborted = resolve))
  const arrived = Promise.withResolvers<void>()
  const { port } = await startEdge({
    http1: (request) => {
      request.on('close', aborted)
      arrived.resolve()
    },
  })
  const stream = connectTo(port).request({ ':path': '/' })
  stream.on('error', () => {})
  await arrived.promise
  stream.close(constants.NGHTTP2_CANCEL)
  await isAborted
})

test('a service that fails in the middle of its body resets the stream with INTERNAL_ERROR', async () => {
  const { port } = await startEdge({
    http1: (_request, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('half', () => response.destroy())
    },
  })
  const session = connectTo(port)
  const stream = session.request({ ':path': '/' })
  stream.on('error', () => {})
  await new Promise((resolve) => stream.once('close', resolve))
  expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
  expect(session.destroyed).toBe(false)
})

test('a request that is refused before its body has arrived gets the response, then NO_ERROR', async () => {
  const { port } = await startEdge(echo, {}, { limits: { bodyBytes: 10 } })
  const stream = connectTo(port).request({ ':path': '/', ':method': 'POST' })
  stream.write('more than ten bytes')
  expect((await receive(stream)).status).toBe(413)
})

test('the last of the allowed requests of a connection is served, and GOAWAY follows', async () => {
  const { port } = await startEdge(echo, { limits: { requestsPerConnection: 2 } })
  const session = connectTo(port)
  const gone = once(session, 'goaway')
  expect((await get(session)).status).toBe(200)
  expect((await get(session)).status).toBe(200)
  expect((await gone)[0]).toBe(constants.NGHTTP2_NO_ERROR)
})

test('an idle connection is closed, one with a request is not', async () => {
  const { port } = await startEdge(
    { http1: (request, response) => void (request.url === '/' ? response.end() : setTimeout(() => response.end('late'), 2_000)) },
    { timeouts: { idleConnectionMs: 1_000 } },
  )
  const session = connectTo(port)
  const closed = once(session, 'close')
  const { body } = await get(session, { ':path': '/late' })
  expect(body).toBe('late')
  await closed
})

test.each<[string, OutgoingHttpHeaders, number]>([
  ['a body that does not arrive', { ':method': 'POST' }, 408],
  ['a response that is not read', { ':path': '/large' }, constants.NGHTTP2_CANCEL],
])('%s ends the stream after idleBodyMs', async (_name, headers, expected) => {
  const { port } = await startEdge(
    {
      http1: (request, response) => {
        if (request.url === '/large') response.end(Buffer.alloc(1_048_576))
        else request.resume()
      },
    },
    { timeouts: { idleBodyMs: 200 } },
  )
  const stream = connectTo(port).request({ ':path': '/', ...headers }, { endStream: headers[':method'] === undefined })
  if (expected === 408) expect((await receive(stream)).status).toBe(408)
  else {
    stream.on('error', () => {})
    await once(stream, 'response')
    await vi.waitFor(() => expect(stream.rstCode).toBe(expected), 10_000)
  }
})

test('a body that keeps coming, but too slowly, gets 408, and the connection stays', async () => {
  const { port } = await startEdge(
    { http1: (request, response) => (request.method === 'POST' ? request.resume() : response.end('ok')) },
    { limits: { minBodyRate: { bytesPerSecond: 1_000, windowMs: 300 } } },
  )
  const session = connectTo(port)
  const stream = session.request({ ':path': '/', ':method': 'POST' })
  const timer = setInterval(() => stream.writable && stream.write('a'), 20)
  const { status, body } = await receive(stream)
  clearInterval(timer)
  expect(status).toBe(408)
  expect(body).toContain('too slowly')
  expect((await get(session)).body).toBe('ok')
})

const { NGHTTP2_ENHANCE_YOUR_CALM: calm, NGHTTP2_INTERNAL_ERROR: internal } = constants

function cancelled(index: number): Buffer {
  const id = 2 * index + 1
  return Buffer.concat([writeFrame(1, 5, id, getFields), writeFrame(3, 0, id, Buffer.of(0, 0, 0, constants.NGHTTP2_CANCEL))])
}

// The library's own limits have INTERNAL_ERROR: 1,000 replies that are not sent yet, and 8 CONTINUATION frames.
test.each<[string, number, readonly number[], (index: number) => Buffer]>([
  ['requests that are cancelled at once', 60, [calm], cancelled],
  ['PING frames', 2_010, [calm, internal], () => writeFrame(6, 0, 0, Buffer.alloc(8))],
  ['SETTINGS frames', 110, [calm], () => writeFrame(4, 0, 0)],
  ['CONTINUATION frames without an end', 20, [internal], (index) => writeFrame(index === 0 ? 1 : 9, 0, 1)],
])('a flood of %s ends the connection, and the next client is served', async (_name, count, codes, frame) => {
  const limits = { cancelledStreams: 50 }
  const { port } = await startEdge({ http1: (_request, response) => void response.end('ok') }, { limits })
  const { socket, ended } = await openRawSession(port)
  socket.write(Buffer.concat(Array.from({ length: count }, (_, index) => frame(index))))
  expect(codes).toContain(await ended)
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('ok')
})

test('a client that is closed for a flood waits before its next connection', async () => {
  const { port } = await startEdge(
    { http1: (_request, response) => void response.end('ok') },
    { limits: { cancelledStreams: 1 } },
  )
  const { socket, ended } = await openRawSession(port)
  socket.write(Buffer.concat([cancelled(0), cancelled(1), cancelled(2)]))
  await ended
  const startedAt = performance.now()
  expect((await get(connectTo(port))).body).toBe('ok')
  expect(performance.now() - startedAt).toBeGreaterThan(900)
})

test.each([true, false])(
  'a route that allows it pushes what a response asks to preload; the client accepts it: %s',
  async (enablePush) => {
    const paths: string[] = []
    const { port } = await startEdge(
      {
        http1: (request, response) => {
          paths.push(`${request.url} ${request.headers.cookie}`)
          const link =
            '</style.css>; rel=preload; as=style, </x.js>; rel=preload; nopush, <//cdn.example/y>; rel=preload, </z>; rel=next'
          response.writeHead(200, request.url === '/' ? { link } : {})
          response.end(`body of ${request.url}`)
        },
      },
      {},
      { push: true },
    )
    const session = connect(`http://127.0.0.1:${port}`, { settings: { enablePush } })
    onTestFinished(() => session.destroy())
    const pushed = new Promise<string[]>((resolve) => {
      session.on('stream', async (stream, promise) => {
        let body = ''
        for await (const chunk of stream) body += chunk
        resolve([String(promise[':path']), body])
      })
    })
    expect((await get(session, { cookie: 'a=1' })).headers['link']).toContain('style.css')
    if (enablePush) expect(await pushed).toEqual(['/style.css', 'body of /style.css'])
    else expect((await get(session, { ':path': '/next', cookie: 'a=1' })).status).toBe(200)
    expect(paths).toEqual(['/ a=1', enablePush ? '/style.css a=1' : '/next a=1'])
  },
)

test('a gateway that closes sends GOAWAY, and the request in progress gets its response', async () => {
  const arrived = Promise.withResolvers<import('node:http').ServerResponse>()
  const { gateway, port } = await startEdge({ http1: (_request, response) => arrived.resolve(response) })
  const session = connectTo(port)
  const gone = once(session, 'goaway')
  const closed = once(session, 'close')
  const ended = get(session)
  const response = await arrived.promise
  const closing = gateway.close()
  expect((await gone)[0]).toBe(constants.NGHTTP2_NO_ERROR)
  response.end('late')
  expect((await ended).body).toBe('late')
  await Promise.all([closing, closed])
})

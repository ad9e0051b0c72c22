import { createServer, type ServerResponse } from 'node:http'
import { SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import type { GatewayFilter } from '../filters/filter.ts'
import { listen, startEdge } from '../testing/http1-edge.ts'
import { exchangeRaw, RawClient } from '../testing/raw-client.ts'

const get = (fields = '', path = '/orders') => `GET ${path} HTTP/1.1\r\nhost: shop\r\n${fields}\r\n`
const close = 'connection: close\r\n'

describe('failures of calls become responses without internals', () => {
  test.each<[string, number, string, (socket: import('node:net').Socket) => void]>([
    ['closes the connection', 502, 'SD_UNAVAILABLE', (socket) => socket.destroy()],
    ['is not HTTP', 502, 'SD_MALFORMED', (socket) => void socket.write('SMTP ready\r\n\r\n')],
    [
      'has two lengths',
      502,
      'SD_MALFORMED',
      (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na'),
    ],
    ['never responds', 504, 'SD_DEADLINE_EXCEEDED', () => {}],
  ])('a service that %s: %i', async (_, status, code, respond) => {
    const edge = await startEdge({
      rawService: (socket) => socket.once('data', () => respond(socket)),
      route: { timeouts: { headMs: 500 } },
    })
    const text = await exchangeRaw(edge.port, get(close))
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(text).toContain(`\r\nx-gateway-error: ${code}\r\n`)
    expect(text).not.toMatch(/127\.0\.0\.1|orders|SMTP|llhttp|undici/)
  })

  test('a service that ends early: the client sees an incomplete response', async () => {
    const edge = await startEdge({
      rawService: (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello')),
    })
    const text = await exchangeRaw(edge.port, get())
    expect(text).toMatch(/content-length: 10\r\n[\s\S]*hello$/)
    expect((await edge.recorded(1))[0]?.outcome).toMatchObject({ status: 200, error: { code: 'SD_UNAVAILABLE' }, bytesOut: 5 })
  })

  test('bytes after a response are not part of it, nor of the next one', async () => {
    const edge = await startEdge({
      rawService: (socket) =>
        socket.on('data', () =>
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison'),
        ),
    })
    const client = new RawClient(edge.port).send(get())
    expect(await client.until('hello')).not.toContain('poison')
    client.send(get(close))
    expect(await client.closed).not.toContain('poison')
  })
})

test.each<[string, string]>([
  ['text/html, */*;q=0.8', 'text/plain; charset=utf-8'],
  ['application/json;q=0.2, text/plain;q=0.9', 'text/plain; charset=utf-8'],
  ['application/json;q=0, text/*;q=0.1', 'text/plain; charset=utf-8'],
  ['application/json', 'application/problem+json'],
  ['application/json, text/plain, */*', 'application/problem+json'],
  ['text/plain;q=0.5, application/problem+json;q=0.6', 'application/problem+json'],
])('accept: %s gets %s', async (accept, type) => {
  const edge = await startEdge()
  const text = await exchangeRaw(edge.port, get(`accept: ${accept}\r\n${close}`, '/nobody'))
  expect(text).toContain(`content-type: ${type}`)
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  if (type.startsWith('text')) expect(body).toBe('503 Service Unavailable\nThe service is not available now.\n')
  else {
    const problem = { type: 'about:blank', title: 'Service Unavailable', status: 503, code: 'SD_NO_INSTANCE' }
    expect(JSON.parse(body)).toEqual({ ...problem, detail: 'The service is not available now.' })
  }
})

test('the decision of a rate limit becomes 503 with the time to wait and what is left', async () => {
  const cause = {
    allowed: false,
    limit: 5,
    remaining: 0,
    windowMs: 60_000,
    resetMs: 7_500,
    retryAfterMs: 7_500,
    degraded: undefined,
  }
  const refusal = new SdError('SD_REJECTED', 'The limit of tenant 7 is exceeded', { cause })
  const edge = await startEdge({ filters: [{ onRequest: () => Promise.reject(refusal) }] })
  const text = await exchangeRaw(edge.port, get(close))
  expect(text).toMatch(/^HTTP\/1.1 503 /)
  expect(text).toContain('\r\nratelimit: "default";r=0;t=8\r\nretry-after: 8\r\n')
  expect(text).toContain('x-gateway-error: SD_REJECTED')
  expect(text).not.toContain('tenant')
})

describe('a filter that throws fails its exchange, and nothing else', () => {
  const fault = new Error('secret detail')
  test.each<[string, GatewayFilter]>([
    [
      'onRequest',
      {
        onRequest: () => {
          throw fault
        },
      },
    ],
    ['onRequest later', { onRequest: () => Promise.reject(fault) }],
    [
      'onRequest with a field that is not valid',
      { onRequest: (exchange) => void exchange.setHeader('x-a', 'b\r\nc: d') as undefined },
    ],
    ['onRequest with a framing field', { onRequest: (exchange) => void exchange.setHeader('content-length', '5') as undefined }],
    [
      'onResponse',
      {
        onResponse: () => {
          throw fault
        },
      },
    ],
    ['onResponse with a framing field', { onResponse: (_, response) => response.setHeader('transfer-encoding', 'gzip') }],
  ])('%s', async (_, filter) => {
    const ended = vi.fn()
    const edge = await startEdge({ filters: [filter, { onEnd: ended }] })
    const client = new RawClient(edge.port).send(get())
    const text = await client.until(/\r\n\r\n[\s\S]*\n$/)
    expect(text).toMatch(/^HTTP\/1.1 500 /)
    expect(text).toContain('x-gateway-error: SD_LISTENER_FAILED')
    expect(text).not.toContain('secret')
    expect(ended).toHaveBeenCalledTimes(1)
    expect(edge.openExchanges.size).toBe(0)
    client.send(get())
    await client.until(/500 [\s\S]*500 /)
  })

  test('onEnd', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const ended = vi.fn()
    const edge = await startEdge({
      filters: [
        {
          onEnd: () => {
            throw fault
          },
        },
        { onEnd: ended },
      ],
    })
    const client = new RawClient(edge.port).send(get())
    await client.until('hello')
    await edge.recorded(1)
    expect(ended).toHaveBeenCalledTimes(1)
    expect(edge.openExchanges.size).toBe(0)
    expect(warned).toHaveBeenCalledWith(expect.objectContaining({ code: 'SD_LISTENER_FAILED' }))
    warned.mockRestore()
  })

  test('one that never ends is cut off by the time limit of the route', async () => {
    const edge = await startEdge({
      route: { timeouts: { headMs: 200 } },
      filters: [{ onRequest: () => new Promise<undefined>(() => {}) }],
    })
    expect(await exchangeRaw(edge.port, get(close))).toMatch(/^HTTP\/1.1 504 /)
  })

  test('one may refuse a request with an error of its own', async () => {
    const refusal = new SdError('SD_REJECTED', 'Not now', { retryAfterMs: 1_500 })
    const edge = await startEdge({
      filters: [
        {
          onRequest: () => {
            throw refusal
          },
        },
      ],
    })
    expect(await exchangeRaw(edge.port, get(close))).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 2\r\n/)
  })
})

test('a request that comes back through another gateway is refused with 508', async () => {
  const front = createServer()
  const frontPort = await listen(front)
  const second = await startEdge({ name: 'second', servicePort: frontPort })
  const first = await startEdge({ name: 'first', servicePort: second.port })
  // The second gateway's service is the first one.
  front.on('request', (request, response) => {
    fetch(`http://127.0.0.1:${first.port}${request.url}`, { headers: { via: request.headers.via ?? '' } }).then(
      async (answer) => {
        response.writeHead(answer.status, { 'x-gateway-error': answer.headers.get('x-gateway-error') ?? '' })
        response.end(await answer.text())
      },
    )
  })
  const text = await exchangeRaw(first.port, get(close))
  expect(text).toMatch(/^HTTP\/1.1 508 [\s\S]*The request is in a loop/)
  expect(first.records.map(({ outcome }) => outcome.status)).toEqual([508, 508])
})

test.each([true, false])('deadline and request id of a proxy count if it is trusted (%s)', async (isTrusted) => {
  const edge = await startEdge({
    isTrusted,
    route: { timeouts: { headMs: 100_000 } },
    service: (request, response) =>
      response.end(JSON.stringify([request.headers['x-request-timeout-ms'], request.headers['x-request-id']])),
  })
  const text = await exchangeRaw(edge.port, get(`x-request-timeout-ms: 50000\r\nx-request-id: from-outside\r\n${close}`))
  const [remainingMs, requestId] = JSON.parse(text.slice(text.indexOf('\r\n\r\n')))
  expect(Number(remainingMs) <= 50_000).toBe(isTrusted)
  expect(requestId).toMatch(isTrusted ? /^from-outside$/ : /^[\da-f]{32}$/)
})

describe('responses', () => {
  test('103 Early Hints are passed on, other informational responses and a flood of them are not', async () => {
    const edge = await startEdge({
      service(_, response) {
        response.writeProcessing()
        for (let index = 0; index < 100; index++) response.writeEarlyHints({ link: `</${index}.css>; rel=preload`, 'x-a': '1' })
        response.end('hello')
      },
    })
    const text = await exchangeRaw(edge.port, get(close))
    expect(text).toMatch(/^HTTP\/1.1 103 Early Hints\r\nlink: <\/0.css>; rel=preload\r\nx-a: 1\r\n\r\n/)
    expect(text).toMatch(/HTTP\/1.1 200 OK[\s\S]*hello$/)
    expect(text).not.toContain(' 102 ')
    expect(text.split(' 103 ').length - 1).toBeLessThanOrEqual(16)
    const old = await exchangeRaw(edge.port, 'GET /orders HTTP/1.0\r\n\r\n')
    expect(old).toMatch(/^HTTP\/1.1 200 OK/)
  })

  test.each<[string, string, RegExp]>([
    [
      'GET',
      'HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n',
      /^HTTP\/1.1 204 No Content\r\nx-a: 1\r\n(?!content-length)[\s\S]*\r\n\r\n$/,
    ],
    ['GET', 'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n', /^HTTP\/1.1 304 Not Modified\r\netag: "a"\r\n[\s\S]*\r\n\r\n$/],
    ['HEAD', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n', /^HTTP\/1.1 200 OK\r\ncontent-length: 5\r\n[\s\S]*\r\n\r\n$/],
    ['GET', 'HTTP/1.1 299 Fine \x07 by me\r\ncontent-length: 0\r\n\r\n', /^HTTP\/1.1 299 \S*\r\ncontent-length: 0\r\n/],
    [
      'GET',
      'HTTP/1.1 200 OK\r\nx-a: 1\r\nX-A: 2\r\nconnection: x-b\r\nx-b: 3\r\ncontent-length: 0\r\n\r\n',
      /x-a: 1\r\nx-a: 2\r\n(?!x-b)/,
    ],
    ['GET', 'HTTP/1.1 200 All good\r\n\r\nuntil the end', /^HTTP\/1.1 200 All good\r\n[\s\S]*until the end/],
  ])('%s: %j is passed on', async (method, response, expected) => {
    const edge = await startEdge({
      rawService: (socket) => socket.once('data', () => socket.end(Buffer.from(response, 'latin1'))),
    })
    const text = await exchangeRaw(edge.port, `${method} /orders HTTP/1.1\r\nhost: shop\r\n${close}\r\n`)
    expect(text).toMatch(expected)
  })

  test('the head is sent although the body begins later, and each chunk when it comes', async () => {
    let stream: ServerResponse | undefined
    const edge = await startEdge({
      service(_, response) {
        stream = response.writeHead(200, { 'content-type': 'text/event-stream' })
        stream.flushHeaders()
      },
    })
    const client = new RawClient(edge.port).send(get())
    await client.until('text/event-stream')
    stream?.write('data: one\n\n')
    await client.until('one')
    stream?.write('data: two\n\n')
    await client.until('two')
  })

  test('a small chunked response that arrives in one piece gets a length', async () => {
    const response = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
    const edge = await startEdge({ rawService: (socket) => socket.once('data', () => socket.write(response)) })
    const text = await exchangeRaw(edge.port, get(close))
    expect(text).toMatch(/\r\ncontent-length: 5\r\n[\s\S]*\r\n\r\nhello$/)
  })
})

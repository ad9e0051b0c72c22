import { createServer, type IncomingMessage, type RequestListener, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { json } from 'node:stream/consumers'
import { propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { type ReadableSpan, TracerProvider } from '@opentelemetry/sdk-trace'
import express from 'express'
import fc from 'fast-check'
import fastify from 'fastify'
import { beforeEach, describe, expect, test } from 'vitest'
import { createTraceMiddleware, type TraceMiddleware } from './index.ts'
import { createSpanRecorder, listen, type SpanRecorder, w3c } from './testing/world.ts'

let recorder: SpanRecorder
let middleware: TraceMiddleware
beforeEach(() => {
  recorder = createSpanRecorder()
  const tracerProvider = new TracerProvider({ spanProcessors: [recorder] })
  middleware = createTraceMiddleware({ tracerProvider, propagator: w3c, queryParameters: ['page'] })
})

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const headers = { traceparent: `00-${traceId}-${parentId}-01`, baggage: 'user=ann', 'user-agent': 'test' }

/** Data of the caller that a handler sees. */
function callerOf(): object {
  const user = propagation.getActiveBaggage()?.getEntry('user')?.value
  return { user, traceId: trace.getActiveSpan()?.spanContext().traceId }
}

/** Runs a server while `use` runs. @returns the only span of the test */
async function serve(listener: RequestListener, use: (port: number) => Promise<unknown>): Promise<ReadableSpan> {
  const server = createServer(listener)
  await use(await listen(server))
  const [span] = await recorder.settled()
  server.closeAllConnections()
  server.close()
  expect(recorder.ended).toHaveLength(1)
  return span as ReadableSpan
}

/** Sends JSON with a delayed part, so that the socket resumes the parser. */
function postSlowly(url: string): Promise<unknown> {
  const post = request(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } })
  post.write('{"a":')
  setTimeout(() => post.end('1}'), 50)
  return new Promise((resolve, reject) => {
    post.on('response', (response) => json(response).then(resolve, reject))
    post.on('error', reject)
  })
}

/** Sends arbitrary bytes, and reads the response. */
function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

describe('a request', () => {
  test('continues the trace of its caller, with attributes by the conventions', async () => {
    let port = 0
    const span = await serve(
      (request, response) => middleware(request, response, () => response.end(JSON.stringify(callerOf()))),
      async (serverPort) => {
        port = serverPort
        const response = await fetch(`http://127.0.0.1:${port}/list?page=2&token=s3cret`, { headers })
        expect(await response.json()).toEqual({ user: 'ann', traceId })
      },
    )
    expect(span).toMatchObject({ name: 'GET', kind: SpanKind.SERVER, status: { code: SpanStatusCode.UNSET } })
    expect(span.parentSpanContext).toMatchObject({ traceId, spanId: parentId, isRemote: true })
    expect(span.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'url.scheme': 'http',
      'url.path': '/list',
      'url.query': 'page=2&token=REDACTED',
      'server.address': '127.0.0.1',
      'server.port': port,
      'client.address': '127.0.0.1',
      'network.protocol.version': '1.1',
      'user_agent.original': 'test',
    })
  })

  test('keeps its context while its body arrives', async () => {
    await serve(
      (incoming, outgoing) =>
        middleware(incoming, outgoing, () => {
          incoming.resume().on('end', () => outgoing.end(JSON.stringify(callerOf())))
        }),
      async (port) => expect(await postSlowly(`http://127.0.0.1:${port}/`)).toEqual({ user: 'ann', traceId }),
    )
  })

  test.each<[string, number, string | undefined]>([
    ['a failure of the server is an error', 503, '503'],
    ['a mistake of the client is none', 404, undefined],
  ])('%s', async (_, status, type) => {
    const span = await serve(
      (request, response) => middleware(request, response, () => response.writeHead(status).end()),
      (port) => fetch(`http://127.0.0.1:${port}/`),
    )
    expect(span.attributes).toMatchObject({ 'http.response.status_code': status })
    expect(span.attributes['error.type']).toBe(type)
    expect(span.status.code).toBe(type ? SpanStatusCode.ERROR : SpanStatusCode.UNSET)
  })

  test('whose connection ends before the response is an error, and its events keep their context', async () => {
    const seen: object[] = []
    const controller = new AbortController()
    const span = await serve(
      (incoming, outgoing) =>
        middleware(incoming, outgoing, () => {
          outgoing.on('close', () => seen.push(callerOf()))
          outgoing.write('part')
        }),
      async (port) => {
        await fetch(`http://127.0.0.1:${port}/`, { headers, signal: controller.signal })
        controller.abort()
      },
    )
    expect(span.attributes).toMatchObject({ 'http.response.status_code': 200, 'error.type': 'SD_ABORTED' })
    expect(span.status.code).toBe(SpanStatusCode.ERROR)
    expect(seen).toEqual([{ user: 'ann', traceId }])
  })

  test.each<[string, string, object]>([
    ['an IPv6 host', 'GET / HTTP/1.1\r\nhost: [::1]:8080\r\n', { 'server.address': '::1', 'server.port': 8080 }],
    ['a host without a port', 'GET / HTTP/1.1\r\nhost: a.test\r\n', { 'server.address': 'a.test' }],
    ['a host that is none', 'GET / HTTP/1.1\r\nhost: a:b:c\r\n', { 'http.request.method': 'GET' }],
    [
      'a method that the conventions do not know',
      'PROPFIND / HTTP/1.1\r\nhost: a\r\n',
      { 'http.request.method': '_OTHER', 'http.request.method_original': 'PROPFIND' },
    ],
  ])('with %s', async (_, head, attributes) => {
    const span = await serve(
      (request, response) => middleware(request, response, () => response.end()),
      async (port) => expect(await sendRaw(port, `${head}connection: close\r\n\r\n`)).toContain('200 OK'),
    )
    expect(span.attributes).toMatchObject(attributes)
    expect(span.name).toBe(head.startsWith('GET') ? 'GET' : 'HTTP')
  })
})

describe('a framework', () => {
  test('Express: handlers run in the context, even after body parsing, and the route names the span', async () => {
    const app = express()
    app.use(middleware)
    app.use(express.json())
    const router = express.Router()
    router.post('/orders/:id', (_, response) => {
      response.json(callerOf())
    })
    app.use('/api', router)
    const span = await serve(app, async (port) => {
      expect(await postSlowly(`http://127.0.0.1:${port}/api/orders/7`)).toEqual({ user: 'ann', traceId })
    })
    expect(span.name).toBe('POST /api/orders/:id')
    expect(span.attributes).toMatchObject({ 'http.route': '/api/orders/:id', 'url.path': '/api/orders/7' })
  })

  test('Fastify: handlers run in the context, even after body parsing, and the route names the span', async () => {
    const app = fastify()
    app.addHook('onRequest', middleware)
    app.post('/orders/:id', async () => callerOf())
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    expect(await postSlowly(`${url}/orders/7`)).toEqual({ user: 'ann', traceId })
    const [span] = await recorder.settled()
    await app.close()
    expect(span?.name).toBe('POST /orders/:id')
    expect(span?.attributes).toMatchObject({ 'http.route': '/orders/:id' })
  })
})

test('malformed headers neither throw nor make the trace invalid', () => {
  const nearly = fc.tuple(fc.constantFrom('00', 'ff', '0', '01'), fc.constantFrom(traceId, '0'.repeat(32), 'xyz'), fc.string())
  const extremes = fc.constantFrom('a=%', '%E0%A4%A=b', ';;;=,,,=', 'k=v,'.repeat(5_000), '=', ',', `k=${'v'.repeat(10_000)}`)
  const field = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    extremes,
    nearly.map((parts) => parts.join('-')),
  )
  const fields = fc.record(
    { traceparent: field, tracestate: field, baggage: fc.oneof(field, fc.array(field)) },
    { requiredKeys: [] },
  )
  // Added after the HTTP parser, which would reject some of them.
  const check = (planted: object): void => {
    const request = { headers: planted, method: 'GET', url: '/', socket: {}, httpVersion: '1.1' } as IncomingMessage
    const response = { once: () => response } as unknown as ServerResponse
    let seen: string | undefined
    middleware(request, response, () => {
      seen = trace.getActiveSpan()?.spanContext().traceId
    })
    expect(seen).toMatch(/^(?!0{32})[0-9a-f]{32}$/)
  }
  fc.assert(fc.property(fields, check), { numRuns: 1_000 })
})

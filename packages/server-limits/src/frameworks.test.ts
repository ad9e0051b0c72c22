import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { createBulkhead } from '@sd/concurrency-limit'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import express, { type Request } from 'express'
import fastify from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { createServerLimits, type LimitedRequest, type ServerLimitsOptions } from './index.ts'
import { ask, listen, until } from './testing/serve.ts'

const oncePerUser: ServerLimitsOptions['rate'] = {
  limiter: createMemoryRateLimiter({ limit: 1, windowMs: 3_600_000 }),
  key: ({ headers }) => headers['x-user'] as string | undefined,
}

describe('Express', () => {
  test('refuses before bodies are read, keeps earlier header fields, and sets a signal', async () => {
    const limits = createServerLimits({ rate: oncePerUser, trusted: true })
    const app = express()
    const read: unknown[] = []
    app.use((_, response, next) => {
      response.setHeader('access-control-allow-origin', '*')
      next()
    })
    const router = express.Router()
    router.use(limits.middleware, express.json())
    router.post('/items', (request, response) => {
      read.push(request.body)
      const { signal } = request as LimitedRequest<Request>
      signal.addEventListener('abort', () => response.status(504).json(signal.reason.code))
    })
    router.get('/health', (_, response) => void response.json('ok'))
    app.use('/api', router)
    const port = await listen(createServer(app))
    const headers = { 'x-user': 'express', 'content-type': 'application/json', 'x-request-timeout-ms': '200' }
    const post = () => ask(port, { path: '/api/items', headers, body: '{"pieces":3}' })
    expect(await post()).toMatchObject({ status: 504, text: '"SD_DEADLINE_EXCEEDED"' })
    const refused = await post()
    expect(refused).toMatchObject({ status: 429, headers: { 'access-control-allow-origin': '*' } })
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'SD_REJECTED' })
    expect(read).toEqual([{ pieces: 3 }])
    // The path is that of the whole application, wherever the middleware is mounted. This is not the health path.
    expect(await ask(port, { path: '/api/health', headers })).toMatchObject({ status: 429 })
    limits.close()
  })

  test('a user set by earlier middleware can be the key', async () => {
    const limiter = createMemoryRateLimiter({ limit: 1, windowMs: 3_600_000 })
    const limits = createServerLimits({ rate: { limiter, key: ({ source }) => (source as { user?: string }).user } })
    const app = express()
    app.use((request, _, next) => {
      Object.assign(request, { user: request.headers.authorization })
      next()
    }, limits.middleware)
    app.get('/', (_, response) => void response.end())
    const port = await listen(createServer(app))
    const statusOf = async (authorization: string) => (await ask(port, { headers: { authorization } })).status
    expect([await statusOf('a'), await statusOf('a'), await statusOf('b')]).toEqual([200, 429, 200])
  })
})

describe('Fastify', () => {
  test('refuses before bodies are read, keeps earlier header fields, and sets a signal', async () => {
    const concurrency = createBulkhead({ maxConcurrent: 2 })
    const limits = createServerLimits({ rate: oncePerUser, concurrency, trusted: true })
    const app = fastify()
    onTestFinished(() => app.close())
    const responded: number[] = []
    app.addHook('onRequest', async (_, reply) => void reply.header('access-control-allow-origin', '*'))
    app.addHook('onResponse', async (_, reply) => void responded.push(reply.raw.statusCode))
    limits.addFastifyHooks(app)
    const read: unknown[] = []
    app.post('/items', async (request) => {
      read.push(request.body)
      await once(request.signal, 'abort')
      expect(limits.admissionOf(request)).toBe(limits.admissionOf(request.raw))
      return { code: request.signal.reason.code, same: (request.raw as LimitedRequest).signal === request.signal }
    })
    app.get('/health/ready', async () => 'ok')
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const headers = { 'x-user': 'fastify', 'content-type': 'application/json', 'x-request-timeout-ms': '200' }
    const post = () => ask(port, { path: '/items', headers, body: '{"pieces":3}' })
    expect(await post()).toMatchObject({ status: 200, text: '{"code":"SD_DEADLINE_EXCEEDED","same":true}' })
    const refused = await post()
    expect(refused).toMatchObject({ status: 429, headers: { 'access-control-allow-origin': '*' } })
    expect(read).toEqual([{ pieces: 3 }])
    expect(await ask(port, { path: '/health/ready', headers })).toMatchObject({ status: 200 })
    await until(() => responded.length === 3, 'the hooks after a response ran for all')
    expect(responded).toEqual([200, 429, 200])
    expect(concurrency.statistics().active).toBe(0)
  })

  test('limits WebSockets for as long as they are open, and takes no place of requests for them', async () => {
    const streams = createBulkhead({ maxConcurrent: 1 })
    const limits = createServerLimits({ streams, concurrency: createBulkhead({ maxConcurrent: 1 }) })
    const app = fastify()
    onTestFinished(() => app.close())
    await app.register(websocket)
    limits.addFastifyHooks(app)
    app.get('/socket', { websocket: true }, (socket, request) => {
      socket.on('message', (text) => socket.send(`${limits.admissionOf(request)?.refusal ?? 'admitted'} ${String(text)}`))
    })
    app.get('/', async () => 'served')
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const open = (): WebSocket => new WebSocket(`ws://127.0.0.1:${port}/socket`).on('error', () => undefined)
    const first = open()
    await once(first, 'open')
    first.send('hello')
    expect(String((await once(first, 'message'))[0])).toBe('admitted hello')
    const [, refused] = (await once(open(), 'unexpected-response')) as [unknown, IncomingMessage]
    expect(refused.statusCode).toBe(503)
    refused.on('error', () => undefined).resume()
    expect(await ask(port)).toMatchObject({ status: 200, text: 'served' })
    first.close()
    await until(() => streams.statistics().active === 0, 'it is closed')
    await once(open(), 'open')
  })

  test('works with inject(), which has no connection', async () => {
    const limits = createServerLimits({ rate: oncePerUser, concurrency: createBulkhead({ maxConcurrent: 1 }) })
    const app = fastify()
    limits.addFastifyHooks(app)
    app.get('/', async () => 'served')
    for (const statusCode of [200, 429]) {
      expect(await app.inject({ path: '/', headers: { 'x-user': 'inject' } })).toMatchObject({ statusCode })
    }
  })
})

describe('HTTP/2', () => {
  async function serve(options: ServerLimitsOptions) {
    const limits = createServerLimits(options)
    const server = createHttp2Server(
      limits.handler(async (request, response) => {
        if (request.url === '/events') {
          response.setHeader('content-type', 'text/event-stream')
          response.write('data: 1\n\n')
          return
        }
        if (request.method === 'POST') request.resume()
        if (request.url !== '/wait') response.end('served')
        else await once(request.signal, 'abort')
      }),
    )
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    session.on('error', () => undefined)
    onTestFinished(() => {
      session.destroy()
      server.close()
    })
    return session
  }

  test('responses, resets, endless streams and missing bodies release places', async () => {
    const concurrency = createBulkhead({ maxConcurrent: 1 })
    const session = await serve({ concurrency, bodyIdleTimeoutMs: 300 })
    const get = async (path: string) => {
      const stream = session.request({ ':path': path })
      stream.on('error', () => undefined)
      const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }]
      return { stream, status: headers[':status'] }
    }
    const served = await get('/')
    expect(served.status).toBe(200)
    served.stream.resume()
    await until(() => concurrency.statistics().active === 0, 'the answer was sent')

    const waiting = session.request({ ':path': '/wait' })
    waiting.on('error', () => undefined)
    await until(() => concurrency.statistics().active === 1, 'one is served')
    const refused = session.request({ ':path': '/', ':method': 'POST' })
    const [headers] = (await once(refused, 'response')) as [IncomingHttpHeaders & { ':status': number }]
    expect(headers).toMatchObject({ ':status': 503, 'content-type': 'application/problem+json' })
    const [chunk] = (await once(refused, 'data')) as [Buffer]
    expect(JSON.parse(String(chunk))).toMatchObject({ code: 'SD_REJECTED' })
    await once(refused, 'close')
    expect(refused.rstCode).toBe(0)
    waiting.close(8)
    await until(() => concurrency.statistics().active === 0, 'the reset one is over')

    const events = await get('/events')
    expect(events.status).toBe(200)
    await until(() => concurrency.statistics().active === 0, 'an event stream takes no place')

    const half = session.request({ ':path': '/wait', ':method': 'POST' })
    half.on('error', () => undefined)
    half.write('half')
    await until(() => concurrency.statistics().active === 1, 'the half one is served')
    await until(() => concurrency.statistics().active === 0, 'and cut')
  })
})

import { once } from 'node:events'
import { createServer, type RequestListener, type Server, request as sendRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { createDiscovery } from '@sd/discovery'
import { createStaticRegistry } from '@sd/registry-static'
import { eventually } from '@sd/testing'
import express from 'express'
import fastify from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { createServiceLogging, type ServiceLogging, type ServiceLoggingOptions } from './index.ts'
import { type CollectingLogger, createCollectingLogger } from './testing/lines.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function start(options: Partial<ServiceLoggingOptions> = {}): CollectingLogger & { readonly logging: ServiceLogging } {
  const collecting = createCollectingLogger()
  const { logger, context } = collecting
  const logging = createServiceLogging({ logger, context, ...options })
  cleanups.push(() => logging.close())
  return { ...collecting, logging }
}

function serve(logging: ServiceLogging, listener: RequestListener): Promise<string> {
  return listen(createServer((request, response) => logging.middleware(request, response, () => listener(request, response))))
}

function createClient(origin: string, logging: ServiceLogging): ServiceClient {
  const { hostname, port } = new URL(origin)
  const source = createStaticRegistry({ instances: [{ service: 'stock', address: hostname, port: Number(port) }] })
  const discovery = createDiscovery({ source })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    interceptors: { call: [logging.interceptor] },
  })
  cleanups.push(
    () => discovery.close(),
    () => client.close(),
  )
  return client
}

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('from service to service', () => {
  test('100 concurrent requests keep separate ids, through A and B', async () => {
    const a = start()
    const b = start()
    const originB = await serve(b.logging, async (request, response) => {
      await delay(Math.random() * 20)
      b.logger.info('looked up', { asked: request.url?.split('?')[0] })
      response.end(JSON.stringify(b.context.get()))
    })
    const client = createClient(originB, a.logging)
    const originA = await serve(a.logging, async (request, response) => {
      await delay(Math.random() * 20)
      const answer = await client.get('stock', `${request.url}?token=hunter2`)
      const text = await answer.text()
      a.logger.info('answered', { asked: request.url })
      response.end(text)
    })
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const headers = { 'x-request-id': `r${index}`, 'x-user-id': `u${index}` }
        const response = await fetch(`${originA}/${index}`, { headers })
        expect(response.headers.get('x-request-id')).toBe(`r${index}`)
        expect(await response.json()).toEqual({ request_id: `r${index}`, user_id: `u${index}` })
      }),
    )
    await eventually(() => expect(b.lines().filter(({ msg }) => msg === 'request ended')).toHaveLength(100), 5_000)
    for (const { lines, text, messages } of [
      { ...a, messages: ['answered', 'request ended', 'call ended'] },
      { ...b, messages: ['looked up', 'request ended'] },
    ]) {
      expect(text()).not.toContain('hunter2')
      for (const message of messages) {
        const found = lines().filter(({ msg }) => msg === message)
        expect(found).toHaveLength(100)
        for (const line of found) {
          const index = String(line['asked'] ?? line['path']).slice(1)
          expect(line).toMatchObject({ request_id: `r${index}`, user_id: `u${index}` })
        }
      }
    }
    const call = a.lines().find(({ msg }) => msg === 'call ended')
    expect(call).toMatchObject({ level: 'debug', peer_service: 'stock', method: 'GET', status: 200, attempts: 1 })
    expect(call?.['duration_ms']).toEqual(expect.any(Number))
  })

  test('a missing id is created, and a failed call is a warning', async () => {
    const a = start({ requestIdHeader: 'X-Correlation-Id', userIdHeader: false })
    const seen: unknown[] = []
    const origin = await listen(
      createServer((request, response) => {
        seen.push([request.headers['x-correlation-id'], request.headers['x-user-id']])
        response.writeHead(500).end()
      }),
    )
    const client = createClient(origin, a.logging)
    await a.context.run({ request_id: 'not\nso', user_id: 'u1' }, () => client.get('stock', '/'))
    await client.get('stock', '/', { headers: { 'x-correlation-id': 'mine' } })
    await expect(client.get('nobody', '/')).rejects.toThrow()
    await eventually(() => expect(a.lines()).toHaveLength(3), 5_000)
    expect(seen).toEqual([
      [expect.stringMatching(/^[\da-f-]{36}$/), undefined],
      ['mine', undefined],
    ])
    expect(a.lines()).toMatchObject([
      { level: 'warn', msg: 'call failed', status: 500, request_id: (seen[0] as string[])[0] },
      { request_id: 'mine' },
      { level: 'warn', peer_service: 'nobody', attempts: 0, err: { code: 'SD_NO_INSTANCE' } },
    ])
  })

  test('an empty header is treated as missing', async () => {
    const a = start()
    const seen: unknown[] = []
    const origin = await listen(
      createServer((request, response) => {
        seen.push([request.headers['x-request-id'], request.headers['x-user-id']])
        response.end()
      }),
    )
    const client = createClient(origin, a.logging)
    const headers = { 'x-request-id': '', 'x-user-id': '' }
    await a.context.run({ request_id: 'known', user_id: 'u1' }, () => client.get('stock', '/', { headers }))
    expect(seen).toEqual([['known', 'u1']])
  })

  test('a call aborted by its caller is not a failure, and nothing is logged after close', async () => {
    const a = start()
    const client = createClient(await listen(createServer(() => undefined)), a.logging)
    const caller = new AbortController()
    const call = client.get('stock', '/', { signal: caller.signal })
    setImmediate(() => caller.abort())
    await expect(call).rejects.toMatchObject({ code: 'SD_ABORTED' })
    expect(a.lines()).toMatchObject([{ level: 'debug', msg: 'call ended', err: { code: 'SD_ABORTED' } }])
    await a.logging.close()
    await expect(client.get('stock', '/', { timeoutMs: 1 })).rejects.toThrow()
    expect(a.lines()).toHaveLength(1)
  })
})

describe('a server', () => {
  test.each([
    ['is too long', 'x'.repeat(129)],
    ['has spaces', 'a b'],
    ['is not ASCII', 'h\u00e9'],
  ])('an id that %s is replaced', async (_, id) => {
    const { logging, context } = start()
    const origin = await serve(logging, (_request, response) => response.end(JSON.stringify(context.get())))
    const response = await fetch(origin, { headers: { 'x-request-id': id, 'x-user-id': id, traceparent: `${traceparent}x` } })
    const fields = (await response.json()) as object
    expect(fields).toEqual({ request_id: expect.stringMatching(/^[\da-f-]{36}$/) })
  })

  test('reads the trace, logs failures and aborted requests, and skips filtered requests', async () => {
    const { logging, lines } = start({ isLogged: ({ path }) => path !== '/health' })
    const origin = await serve(logging, (request, response) => {
      if (request.url === '/stuck') response.write('x')
      else response.writeHead(request.url?.startsWith('/bad') ? 503 : 200).end()
    })
    await fetch(`${origin}/health`)
    await fetch(`${origin}/bad?password=x`, { method: 'POST', headers: { traceparent } })
    const stuck = sendRequest(`${origin}/stuck`).end()
    stuck.on('error', () => undefined)
    await once(stuck, 'response')
    stuck.destroy()
    await eventually(() => expect(lines()).toHaveLength(2), 5_000)
    expect(lines()).toMatchObject([
      { level: 'error', msg: 'request ended', method: 'POST', path: '/bad', status: 503, trace_id: traceparent.slice(3, 35) },
      { level: 'warn', msg: 'request aborted', path: '/stuck', status: 200 },
    ])
  })

  test('Express keeps the context after its body parser', async () => {
    const { logging, context } = start()
    const app = express()
    app.use(logging.middleware)
    app.use(express.json())
    app.use((_request, _response, next) => {
      context.set({ user_id: 'ann' })
      next()
    })
    app.post('/orders', (request, response) => void response.json({ ...context.get(), body: request.body }))
    const origin = await listen(createServer(app))
    const response = await post(`${origin}/orders`)
    expect(await response.json()).toEqual({ request_id: 'r1', user_id: 'ann', body: { a: 1 } })
  })

  test('Fastify keeps the context after its body parser', async () => {
    const served = start()
    const app = fastify()
    served.logging.addFastifyHooks(app)
    app.addHook('onRequest', async () => served.context.set({ user_id: 'ann' }))
    app.post('/orders', async (request) => ({ ...served.context.get(), body: request.body }))
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    cleanups.push(() => app.close())
    const response = await post(`${origin}/orders`)
    expect(response.headers.get('x-request-id')).toBe('r1')
    expect(await response.json()).toEqual({ request_id: 'r1', user_id: 'ann', body: { a: 1 } })
    await eventually(
      () => expect(served.lines()).toMatchObject([{ msg: 'request ended', user_id: 'ann', path: '/orders' }]),
      5_000,
    )
  })
})

function post(url: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'x-request-id': 'r1' }
  return fetch(url, { method: 'POST', headers, body: '{"a":1}' })
}

test.each<[string, object]>([
  ['logger.log', { logger: {} }],
  ['logger.isLevelEnabled', { logger: { log: () => undefined, isLevelEnabled: true } }],
  ['plainErrors', { plainErrors: 'yes' }],
  ['context.run', { context: {} }],
  ['requestIdHeader', { requestIdHeader: 'a b' }],
  ['userIdHeader', { userIdHeader: true }],
  ['isLogged', { isLogged: 1 }],
  ['events', { events: 1 }],
  ['event', { event: true }],
])('%s is refused', (field, options) => {
  const { logger, context } = createCollectingLogger()
  expect(() => createServiceLogging({ logger, context, ...options } as ServiceLoggingOptions)).toThrow(`Invalid ${field}`)
})

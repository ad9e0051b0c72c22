import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createServiceClient, type ServiceClient } from '@sd/client'
import { SdError } from '@sd/core'
import { createDiscovery, type Discovery } from '@sd/discovery'
import { createMemoryRegistry } from '@sd/registry-memory'
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { defineServiceClient, events, operation } from './index.ts'

const Stock = z.object({ id: z.string(), pieces: z.number(), at: z.coerce.date().optional() })

const stock = defineServiceClient('stock', {
  find: operation('GET /stock/{id}', { response: Stock }),
  shelf: operation('GET /halls/{hall}/shelves/{shelf}', { response: 'text' }),
  search: operation('GET /stock', {
    query: z.object({ color: z.string(), page: z.number().int().optional(), tags: z.array(z.string()).optional() }),
  }),
  reserve: operation('POST /stock/{id}/reservations', {
    body: z.object({ pieces: z.coerce.number().int().positive() }),
    response: z.object({ reserved: z.number() }),
    settings: { timeoutMs: 1_234 },
  }),
  upload: operation('PUT /stock/{id}/picture', { response: 'none' }),
  create: operation('POST /stock'),
  remove: operation('DELETE /stock/{id}', { response: 'none' }),
  download: operation('GET /stock/{id}/picture', { response: 'stream' }),
  bytes: operation('GET /stock/{id}/picture', { response: 'bytes' }),
  raw: operation('GET /stock/{id}/missing', { response: 'response' }),
  absent: operation('GET /stock/{id}/missing'),
  changes: events('GET /stock/changes', { data: z.object({ id: z.string() }) }),
  log: events('GET /stock/{id}/log'),
})

interface Received {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly type: string | undefined
  readonly body: string
}
const received: Received[] = []
let server: Server
let discovery: Discovery
let client: ServiceClient

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = ''
  for await (const chunk of request) body += chunk
  received.push({ method: request.method, url: request.url, type: request.headers['content-type'], body })
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (pathname.endsWith('/missing')) response.writeHead(404).end('{"error":"not here"}')
  else if (pathname === '/stock/changes') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('id: 1\ndata: {"id":"7"}\n\n')
    response.end('id: 2\nevent: update\ndata: {"id":8}\n\n')
  } else if (pathname.endsWith('/log')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: not json\n\n')
  } else if (pathname.endsWith('/picture')) response.end('picture')
  else if (pathname.endsWith('/reservations')) response.end('{"reserved":2}')
  else if (pathname.startsWith('/halls')) response.end('wood')
  else if (request.method === 'DELETE') response.writeHead(204).end()
  else if (pathname === '/stock') response.end(request.method === 'POST' ? body : '[]')
  else response.end(JSON.stringify({ id: '7', pieces: pathname.endsWith('broken') ? 'many' : 3, at: '2026-01-02T03:04:05Z' }))
}

beforeAll(async () => {
  server = createServer((request, response) => void respond(request, response))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const registry = createMemoryRegistry()
  await registry.register({ service: 'stock', address: '127.0.0.1', port: (server.address() as AddressInfo).port })
  discovery = createDiscovery({ source: registry })
  client = createServiceClient({ discovery, balancer: createRoundRobinBalancer() })
})
afterAll(async () => {
  await client.close()
  await discovery.close()
  server.closeAllConnections()
  server.close()
})

describe('a call', () => {
  test('fills in the path, checks the response and returns what the schema makes of it', async () => {
    const found = await stock(client).find('a/b ?#')
    expectTypeOf(found).toEqualTypeOf<{ id: string; pieces: number; at?: Date | undefined }>()
    expect(found).toEqual({ id: '7', pieces: 3, at: new Date('2026-01-02T03:04:05Z') })
    expect(received.at(-1)).toMatchObject({ method: 'GET', url: '/stock/a%2Fb%20%3F%23' })
    expect(await stock(client).shelf('a', 2)).toBe('wood')
    expect(received.at(-1)?.url).toBe('/halls/a/shelves/2')
  })

  test('rejects a response that does not fit, and says where', async () => {
    await expect(stock(client).find('broken')).rejects.toMatchObject({
      code: 'SD_MALFORMED',
      message: expect.stringContaining('pieces'),
    })
  })

  test('sends a body as JSON, as the schema returns it', async () => {
    const reserved = await stock(client).reserve(7, { pieces: '2' })
    expectTypeOf(reserved).toEqualTypeOf<{ reserved: number }>()
    expect(reserved).toEqual({ reserved: 2 })
    expect(received.at(-1)).toEqual({
      method: 'POST',
      url: '/stock/7/reservations',
      type: 'application/json',
      body: '{"pieces":2}',
    })
  })

  test('sends bytes and forms as they are, and takes options after the body', async () => {
    await stock(client).upload('7', new TextEncoder().encode('png'), { headers: { 'content-type': 'image/png' } })
    expect(received.at(-1)).toMatchObject({ method: 'PUT', type: 'image/png', body: 'png' })
    await stock(client).upload('7', new URLSearchParams({ a: 'b' }))
    expect(received.at(-1)).toMatchObject({ type: expect.stringContaining('application/x-www-form-urlencoded'), body: 'a=b' })
    await stock(client).upload('7')
    expect(received.at(-1)).toEqual({ method: 'PUT', url: '/stock/7/picture', type: undefined, body: '' })
  })

  test('puts the query behind the path, without fields that are absent', async () => {
    expect(await stock(client).search({ query: { color: 'red', page: 2, tags: ['a', 'b'] } })).toEqual([])
    expect(received.at(-1)?.url).toBe('/stock?color=red&page=2&tags=a&tags=b')
    await stock(client).search({ query: { color: 'red', page: undefined } })
    expect(received.at(-1)?.url).toBe('/stock?color=red')
  })

  test('reads the body of the response as the operation says', async () => {
    const bound = stock(client)
    expect(await bound.remove('7')).toBeUndefined()
    expect(new TextDecoder().decode(await bound.bytes('7'))).toBe('picture')
    expect(await new Response(await bound.download('7')).text()).toBe('picture')
    const raw = await bound.raw('7')
    expect(raw.status).toBe(404)
    expect(await raw.json()).toEqual({ error: 'not here' })
  })

  test('without a body in its response is undefined, and one that is not JSON is refused', async () => {
    const { create } = stock(client)
    expect(await create()).toBeUndefined()
    expect(await create({ id: '7' })).toEqual({ id: '7' })
    await expect(create(new TextEncoder().encode('{'))).rejects.toMatchObject({
      code: 'SD_MALFORMED',
      message: 'stock POST /stock: the response is not valid JSON',
    })
  })

  test('rejects a status that is not 2xx', async () => {
    await expect(stock(client).absent('7')).rejects.toMatchObject({ code: 'SD_HTTP_STATUS', retryable: false })
  })

  test.each<[string, () => Promise<unknown>]>([
    ['id', () => stock(client).find('')],
    ['id', () => stock(client).find('..')],
    ['id', () => stock(client).find('.')],
    ['id', () => stock(client).find(Number.NaN)],
    ['id', () => stock(client).find(undefined as never)],
    ['shelf', () => stock(client).shelf('a', null as never)],
    ['body.pieces', () => stock(client).reserve('7', { pieces: -1 })],
    ['body', () => stock(client).reserve('7', undefined as never)],
    ['query.color', () => stock(client).search({ query: {} as never })],
    ['query.color', () => stock(client).search(undefined as never)],
    ['options', () => stock(client).find('7', 'now' as never)],
    ['options.body', () => stock(client).find('7', { body: 'x' } as never)],
    ['timeoutMs', () => stock(client).find('7', { timeoutMs: -1 })],
  ])('refuses a wrong %s before anything is sent', async (field, call) => {
    const before = received.length
    await expect(call()).rejects.toMatchObject({ code: 'SD_INVALID', field })
    expect(received).toHaveLength(before)
  })

  test('does not show a value of the path in an error', async () => {
    const error = await stock(client)
      .shelf('a', '\ud800hunter2')
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ field: 'shelf' })
    expect(String(error)).not.toContain('hunter2')
  })
})

describe('events', () => {
  test('have data that the schema checked; what does not fit ends the stream', async () => {
    const seen: unknown[] = []
    const reading = async (): Promise<void> => {
      for await (const { id, event, data } of stock(client).changes()) {
        expectTypeOf(data).toEqualTypeOf<{ id: string }>()
        seen.push([id, event, data])
      }
    }
    await expect(reading()).rejects.toMatchObject({ code: 'SD_MALFORMED', message: expect.stringContaining('(id 2)') })
    expect(seen).toEqual([['1', 'message', { id: '7' }]])
  })

  test('have text without a schema', async () => {
    for await (const { data } of stock(client).log('7', { retryMs: 1_000 })) {
      expectTypeOf(data).toEqualTypeOf<string>()
      expect(data).toBe('not json')
      break
    }
    await expect(stock(client).log('').next()).rejects.toMatchObject({ code: 'SD_INVALID', field: 'id' })
  })
})

describe('a definition', () => {
  test('gives the settings of its operations, beside those of the service', () => {
    expect(stock.service).toBe('stock')
    expect(stock.settings({ timeoutMs: 5_000, operations: { 'GET /stock/{id}': { timeoutMs: 1 } } })).toEqual({
      timeoutMs: 5_000,
      operations: { 'POST /stock/{id}/reservations': { timeoutMs: 1_234 }, 'GET /stock/{id}': { timeoutMs: 1 } },
    })
    client.configureService(stock.service, stock.settings())
    client.configureService(stock.service, undefined)
  })

  test.each<[string, () => unknown]>([
    ['route', () => operation('get /stock' as never)],
    ['route', () => operation('GET stock' as never)],
    ['route', () => operation('GET /stock/{id' as never)],
    ['route', () => operation('GET /stock/a{id}' as never)],
    ['route', () => operation('GET /stock?a=b' as never)],
    ['route', () => operation(7 as never)],
    ['route', () => events('POST /stock' as never)],
    ['response', () => operation('GET /stock', { response: 'xml' as never })],
    ['response', () => operation('GET /stock', { response: {} as never })],
    ['body', () => operation('POST /stock', { body: 'x' as never })],
    ['query', () => operation('GET /stock', { query: null as never })],
    ['data', () => events('GET /stock', { data: {} as never })],
    ['timeoutMs', () => operation('GET /stock', { timeoutMs: 1 } as never)],
    ['service', () => defineServiceClient('', {})],
    ['operations', () => defineServiceClient('stock', undefined as never)],
    ['operations.find', () => defineServiceClient('stock', { find: {} as never })],
    ['operations.then', () => defineServiceClient('stock', Object.fromEntries([['then', operation('GET /')]]))],
    ['client', () => stock({} as never)],
  ])('with a wrong %s is refused', (field, make) => {
    let error: unknown
    try {
      make()
    } catch (caught) {
      error = caught
    }
    expect(error instanceof SdError && [error.code, error.field]).toEqual(['SD_INVALID', field])
  })

  test('has types that refuse wrong calls', () => {
    const bound = stock(client)
    const wrong = (): unknown => [
      // @ts-expect-error a value of the path is missing
      bound.find(),
      // @ts-expect-error an option that is not one
      bound.find('7', { timeout: 1 }),
      // @ts-expect-error the body is missing
      bound.reserve('7'),
      // @ts-expect-error the body does not fit
      bound.reserve('7', { count: 1 }),
      // @ts-expect-error the query is required
      bound.search(),
      // @ts-expect-error a method that the definition does not have
      bound.buy('7'),
      // @ts-expect-error a route without a method
      operation('/stock'),
      // @ts-expect-error events are read with GET
      events('POST /stock'),
    ]
    expect(wrong).toBeTypeOf('function')
    expectTypeOf(bound.remove).returns.resolves.toEqualTypeOf<undefined>()
    expectTypeOf(bound.absent).returns.resolves.toEqualTypeOf<unknown>()
  })
})

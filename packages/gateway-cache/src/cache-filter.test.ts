import type { RequestListener } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { CircuitBreaker } from '@sd/core'
import type { FilterFactory } from '@sd/gateway'
import { beforeEach, describe, expect, test } from 'vitest'
import { type CacheFilter, createCacheFilter } from './index.ts'
import { send, startEdge } from './testing/start-edge.ts'

/** Requests that reached the service. */
const received: string[] = []
beforeEach(() => void received.splice(0))

/** Responds with the fields that the query has, and with its path as the body. */
const service: RequestListener = (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://service')
  received.push(`${request.method} ${pathname}`)
  const fields = [...searchParams].flat()
  const etag = searchParams.get('etag')
  if (etag !== null && request.headers['if-none-match'] === etag) {
    received.push('304')
    response.writeHead(304, fields).end()
  } else response.writeHead(200, fields).end(pathname)
}

const filters = [{ filter: 'cache' }]
const start = async (
  respond: RequestListener = service,
  more: Readonly<Record<string, FilterFactory>> = {},
  routes = [{ filters }],
) => {
  const cache = createCacheFilter()
  return { cache, ...(await startEdge(respond, routes, { cache, ...more })) }
}
const fresh = 'cache-control=max-age%3D60'
const stale = 'cache-control=max-age%3D0&last-modified=Thu,+01+Jan+2026+00:00:00+GMT'

test('a stored response needs no service', async () => {
  const { url, cache } = await start()
  const first = await send(`${url}/1?${fresh}`)
  const second = await send(`${url}/1?${fresh}`)
  expect([first.body, second.body, received]).toEqual(['/1', '/1', ['GET /1']])
  expect(first.headers).toMatchObject({
    'content-length': '2',
    'cache-status': 'gateway-cache; fwd=uri-miss; fwd-status=200; stored',
  })
  expect(second.headers).toMatchObject({
    'content-length': '2',
    age: expect.stringMatching(/^\d+$/),
    'cache-status': expect.stringContaining('gateway-cache; hit; ttl='),
  })
  const head = await send(`${url}/1?${fresh}`, { method: 'HEAD' })
  expect([head.body, head.headers['content-length'], received.length]).toEqual(['', '2', 1])
  const part = await send(`${url}/1?${fresh}`, { headers: { range: 'bytes=1-' } })
  expect([part.status, part.body, part.headers['content-range'], received.length]).toEqual([206, '1', 'bytes 1-1/2', 1])
  expect(cache.stats).toMatchObject({ hits: 3, misses: 1, stored: 1 })
})

test.each<[string, string, number]>([
  ['no-store', 'cache-control=no-store', 2],
  ['a cookie', `${fresh}&set-cookie=a%3D1`, 2],
  ['fields that repeat', `${fresh}&link=a&link=b`, 1],
  ['an empty body', `${fresh}&content-length=0`, 1],
])('a response with %s is requested %# times: %i', async (_, query, requests) => {
  const { url } = await start((request, response) => {
    received.push(request.url ?? '')
    response.writeHead(200, [...new URL(request.url ?? '', 'http://a').searchParams].flat()).end()
  })
  const [first, second] = [await send(`${url}/?${query}`), await send(`${url}/?${query}`)]
  expect([received.length, second.headers['link']]).toEqual([requests, first.headers['link']])
})

test('a stale response is validated with the service, and the client gets 304 for what it has', async () => {
  const { url } = await start()
  const target = `${url}/1?${stale}&etag=%221%22`
  await send(target)
  const second = await send(target)
  expect([second.status, second.body, received]).toEqual([200, '/1', ['GET /1', 'GET /1', '304']])
  expect(second.headers).toMatchObject({ etag: '"1"', 'cache-status': 'gateway-cache; fwd=stale; fwd-status=304' })
  expect((await send(target, { headers: { 'if-none-match': '"1"' } })).status).toBe(304)
})

test('a new response replaces a stale one, and reaches the client while it is stored', async () => {
  const body = 'x'.repeat(300_000)
  let version = 0
  const { url } = await start((_, response) => {
    version++
    response
      .writeHead(200, { 'cache-control': version > 1 ? 'max-age=60' : 'max-age=0', etag: `"${version}"` })
      .end(`${version}${body}`)
  })
  for (const expected of [1, 2, 2]) expect((await send(url)).body === `${expected}${body}`).toBe(true)
  expect(version).toBe(2)
})

test('a stale response is used while it is validated after the response', async () => {
  let version = 0
  const { url, cache } = await start((_, response) => {
    version++
    response.writeHead(200, { 'cache-control': 'max-age=0, stale-while-revalidate=60' }).end(`${version}`)
  })
  expect([(await send(url)).body, (await send(url)).body]).toEqual(['1', '1'])
  await expect.poll(() => cache.stats.stored, { timeout: 20_000 }).toBe(2)
  expect([(await send(url)).body, cache.stats.staleHits]).toEqual(['2', 2])
})

describe('when the service does not respond', () => {
  test('a stale response stands in, and nothing else', async () => {
    const { url, stop } = await start()
    await send(`${url}/1?${stale}`)
    await send(`${url}/2?cache-control=max-age%3D0,must-revalidate&etag=%221%22`)
    await stop()
    const response = await send(`${url}/1?${stale}`)
    expect([response.status, response.body, response.headers['cache-status']]).toEqual([
      200,
      '/1',
      expect.stringContaining('detail=error'),
    ])
    const others = await Promise.all([
      send(`${url}/2?cache-control=max-age%3D0,must-revalidate&etag=%221%22`),
      send(`${url}/3?${stale}`),
    ])
    expect(others.map(({ status, headers }) => [status, headers['x-gateway-error']])).toEqual(
      Array(2).fill([502, 'SD_UNAVAILABLE']),
    )
  })

  test('because its breaker is open, a stale response stands in', async () => {
    let isOpen = false
    const breaker = (): CircuitBreaker =>
      ({
        name: 'orders',
        state: 'closed',
        onStateChange: () => () => undefined,
        tryAcquire: () => (isOpen ? undefined : { settle: () => undefined }),
      }) as never
    const cache = createCacheFilter()
    const { url } = await startEdge(service, [{ filters }], { cache }, { breaker })
    await send(`${url}/1?${stale}`)
    isOpen = true
    const results = await Promise.all([send(`${url}/1?${stale}`), send(`${url}/2?${stale}`)])
    expect(results.map(({ status }) => status)).toEqual([200, 503])
    expect([received.length, cache.stats.staleOnError]).toEqual([1, 1])
  })

  test('an error of it is replaced if the response allows it', async () => {
    let isBroken = false
    const { url } = await start((request, response) => {
      if (isBroken) response.writeHead(503).end('broken')
      else
        response
          .writeHead(200, { 'cache-control': `max-age=0${request.url === '/1' ? ', stale-if-error=60' : ''}`, etag: '"1"' })
          .end('whole')
    })
    await Promise.all(['/1', '/2'].map((path) => send(url + path)))
    isBroken = true
    const results = await Promise.all(['/1', '/2'].map((path) => send(url + path)))
    expect(results.map(({ status, body }) => [status, body])).toEqual([
      [200, 'whole'],
      [503, 'broken'],
    ])
  })
})

test('requests at the same time are one, and all are sent if it is not stored', async () => {
  const { url, cache } = await start((request, response) => {
    received.push(request.url ?? '')
    const send = (): unknown =>
      response.writeHead(200, { 'cache-control': request.url === '/1' ? 'max-age=60' : 'no-store' }).end('x')
    setTimeout(send, 50)
  })
  await Promise.all(Array.from({ length: 10 }, () => send(`${url}/1`)))
  expect(received.length).toBe(1)
  await Promise.all(Array.from({ length: 10 }, () => send(`${url}/2`)))
  expect([received.length, cache.stats.collapsed]).toEqual([11, 9])
})

test('a client that leaves ends its request, and the next one is sent', async () => {
  const { url } = await start((_, response) => {
    received.push('')
    if (received.length > 1) response.writeHead(200, { 'cache-control': 'max-age=60' }).end('whole')
  })
  const leaves = AbortSignal.timeout(100)
  const [left, next] = await Promise.allSettled([fetch(url, { signal: leaves }), send(url)])
  expect([left.status, next.status === 'fulfilled' && next.value.body]).toEqual(['rejected', 'whole'])
})

test('a response that is cut is not stored', async () => {
  const { url } = await start((_, response) => {
    received.push('')
    response.writeHead(200, { 'cache-control': 'max-age=60' })
    response.write('part', () => (received.length > 1 ? response.end(' and rest') : response.destroy()))
  })
  await expect(send(url)).rejects.toThrow()
  expect((await send(url)).body).toBe('part and rest')
})

test('a targeted field applies to routes that name it', async () => {
  const routes = [{ match: { path: '/a/*' }, filters: [{ filter: 'cache', targets: ['cdn-cache-control'] }] }, { filters }]
  const { url } = await start(service, {}, routes)
  const query = 'cache-control=no-store&cdn-cache-control=max-age%3D60'
  for (const path of ['/a/1', '/a/1', '/b/1', '/b/1']) await send(`${url}${path}?${query}`)
  expect(received).toEqual(['GET /a/1', 'GET /b/1', 'GET /b/1'])
})

test('unsafe methods and purges remove what is stored, in their zone', async () => {
  const match = (path: string) => ({ path: `/${path}/*` })
  const zone = [{ filter: 'cache', zone: 'shared' }]
  const routes = [
    { match: match('a'), filters: zone },
    { match: { ...match('a'), methods: ['POST'] }, filters: zone },
    { match: match('b'), filters },
  ]
  const { url, cache } = await start(service, {}, routes)
  const get = async (path: string) =>
    (await send(`${url}${path}?${fresh}&cache-tag=all`)).headers['cache-status']?.includes('; hit')
  await get('/a/1')
  await get('/b/1')
  expect([await get('/a/1'), await get('/b/1')]).toEqual([true, true])
  await send(`${url}/a/1?${fresh}&cache-tag=all`, { method: 'POST' })
  expect([await get('/a/1'), await get('/b/1')]).toEqual([false, true])
  expect(await cache.purge({ urlPrefix: `${url}/`, zone: 'route-2' })).toBe(1)
  expect([await get('/a/1'), await get('/b/1')]).toEqual([true, false])
  expect(await cache.purge({ tag: 'all' })).toBe(2)
  await cache.close()
  expect([await get('/a/1'), await get('/a/1')]).toEqual([false, false])
})

test('bodies are stored as the service has coded them', async () => {
  const coded = gzipSync('text')
  const { url } = await start((_, response) => {
    received.push('')
    response.writeHead(200, { 'cache-control': 'max-age=60', 'content-encoding': 'gzip', vary: 'accept-encoding' }).end(coded)
  })
  for (let count = 0; count < 2; count++) expect(await (await fetch(url)).text()).toBe('text')
  expect(received.length).toBe(1)
})

test.each([
  [{ zone: 7 }, 'zone'],
  [{ targets: ['cache-control'] }, 'targets[0]'],
  [{ ttl: 7 }, 'ttl'],
])('the options %j are refused', async (options, field) => {
  const cache: CacheFilter = createCacheFilter()
  await expect(startEdge(service, [{ filters: [{ filter: 'cache', ...options }] }], { cache })).rejects.toMatchObject({
    message: expect.stringContaining(`filters[0].${field}`),
  })
})

test('a response to a client with an identity is for this client, unless it says otherwise', async () => {
  const identify: FilterFactory = () => ({
    onRequest(exchange) {
      const user = exchange.header('x-user')
      if (user !== undefined) exchange.identity = user
      return undefined
    },
  })
  const { url } = await start(service, { identify }, [{ filters: [{ filter: 'identify' }, ...filters] }])
  const ask = async (path: string, user: string): Promise<void> => void (await send(url + path, { headers: { 'x-user': user } }))
  for (const user of ['a', 'b']) await ask(`/private?${fresh}`, user)
  for (const user of ['a', 'b']) await ask('/public?cache-control=public,max-age%3D60', user)
  expect(received).toEqual(['GET /private', 'GET /private', 'GET /public'])
})

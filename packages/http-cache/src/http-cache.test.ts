import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type CacheStore, createHttpCache, createMemoryStore, type HttpCacheOptions } from './index.ts'
import { exchange, type Service } from './testing/exchange.ts'

type Fields = Readonly<Record<string, string>>

const start = Date.parse('2026-01-01T00:00:00Z')
const date = (offsetS: number): string => new Date(start + offsetS * 1_000).toUTCString()

beforeEach(() => void vi.useFakeTimers({ now: start, toFake: ['Date'] }))
afterEach(() => void vi.useRealTimers())
const pass = (seconds: number): void => void vi.setSystemTime(Date.now() + seconds * 1_000)

/** Stores a response, waits, and says where a second request is answered. */
async function second(
  response: Service,
  {
    after = 1,
    request = {},
    options = {},
    first = {},
  }: { after?: number; request?: Fields; options?: HttpCacheOptions; first?: Fields } = {},
) {
  const cache = createHttpCache(options)
  await exchange(cache, response, { headers: first })
  pass(after)
  return await exchange(cache, { body: 'new' }, { headers: request })
}

describe('a response is used again', () => {
  test.each<[string, Fields, number, 'cache' | 'service']>([
    ['within max-age', { 'cache-control': 'max-age=10' }, 9, 'cache'],
    ['after max-age', { 'cache-control': 'max-age=10' }, 11, 'service'],
    ['within max-age, quoted', { 'cache-control': 'max-age="10"' }, 9, 'cache'],
    ['with an invalid max-age', { 'cache-control': 'max-age=10s' }, 1, 'service'],
    ['with the first of two max-age', { 'cache-control': 'max-age=1, max-age=10' }, 5, 'service'],
    ['with a comma in a quoted value', { 'cache-control': 'x="a,max-age=0", max-age=10' }, 5, 'cache'],
    ['within s-maxage, which precedes max-age', { 'cache-control': 'max-age=1, s-maxage=10' }, 5, 'cache'],
    ['less the age that it had', { 'cache-control': 'max-age=10', age: '8' }, 5, 'service'],
    ['less the time since its date', { 'cache-control': 'max-age=10', date: date(-8) }, 5, 'service'],
    ['until expires', { expires: date(10), date: date(0) }, 9, 'cache'],
    ['after expires', { expires: date(10), date: date(0) }, 11, 'service'],
    ['with an invalid expires', { expires: '0' }, 0, 'service'],
    ['with max-age rather than expires', { expires: date(-10), 'cache-control': 'max-age=10' }, 5, 'cache'],
    ['for a tenth of the time since it changed', { 'last-modified': date(-100), date: date(0) }, 9, 'cache'],
    ['for no more than that', { 'last-modified': date(-100), date: date(0) }, 11, 'service'],
    ['without any of them', {}, 0, 'service'],
    ['not with no-store', { 'cache-control': 'no-store, max-age=10' }, 0, 'service'],
    ['not with private', { 'cache-control': 'private, max-age=10' }, 0, 'service'],
    ['not with no-cache', { 'cache-control': 'no-cache, max-age=10', etag: '"a"' }, 0, 'service'],
    ['not with a qualified no-cache', { 'cache-control': 'no-cache="x", max-age=10', etag: '"a"' }, 0, 'service'],
    ['not with vary: *', { 'cache-control': 'max-age=10', vary: '*' }, 0, 'service'],
    ['not with set-cookie', { 'cache-control': 'max-age=10', 'set-cookie': 'a=1' }, 0, 'service'],
  ])('%s', async (_, headers, after, from) => {
    expect((await second({ headers }, { after })).from).toBe(from)
  })

  test.each<[number, Fields, 'cache' | 'service']>([
    [200, { 'cache-control': 'max-age=10' }, 'cache'],
    [404, { 'cache-control': 'max-age=10' }, 'cache'],
    [299, { 'cache-control': 'max-age=10' }, 'cache'],
    [299, { 'cache-control': 'max-age=10, must-understand' }, 'service'],
    [200, { 'cache-control': 'max-age=10, must-understand, no-store' }, 'cache'],
    [302, { 'last-modified': date(-1_000) }, 'service'],
    [302, { 'last-modified': date(-1_000), 'cache-control': 'public' }, 'cache'],
    [206, { 'cache-control': 'max-age=10', 'content-range': 'bytes 0-3/10' }, 'service'],
  ])('with status %i and %j: %s', async (status, headers, from) => {
    expect((await second({ status, headers })).from).toBe(from)
  })

  test.each<[Fields, Fields, 'cache' | 'service']>([
    [{ 'cache-control': 'max-age=10' }, { authorization: 'a' }, 'service'],
    [{ 'cache-control': 'max-age=10, public' }, { authorization: 'a' }, 'cache'],
    [{ 'cache-control': 's-maxage=10' }, { authorization: 'a' }, 'cache'],
    [{ 'cache-control': 'max-age=10, must-revalidate' }, { authorization: 'a' }, 'cache'],
    [{ 'cache-control': 'max-age=10' }, { 'cache-control': 'no-store' }, 'service'],
  ])('%j for a request with %j: %s', async (headers, first, from) => {
    expect((await second({ headers }, { first })).from).toBe(from)
  })

  test.each<Fields>([{ 'cache-control': 'private, max-age=10' }, { 'cache-control': 'max-age=10', 'set-cookie': 'a=1' }])(
    'in a private cache, with %j',
    async (headers) => {
      const result = await second({ headers }, { first: { authorization: 'a' }, options: { type: 'private' } })
      expect(result.from).toBe('cache')
    },
  )
})

test.each<[Fields, string, number, 'cache' | 'service']>([
  [{ 'cache-control': 'no-cache' }, 'max-age=10', 1, 'service'],
  [{ pragma: 'no-cache' }, 'max-age=10', 1, 'service'],
  [{ 'cache-control': 'max-age=0' }, 'max-age=10', 1, 'service'],
  [{ 'cache-control': 'max-age=0' }, 'max-age=10, immutable', 1, 'cache'],
  [{ 'cache-control': 'max-age=5' }, 'max-age=10', 1, 'cache'],
  [{ 'cache-control': 'min-fresh=5' }, 'max-age=10', 6, 'service'],
  [{ 'cache-control': 'min-fresh=5' }, 'max-age=10', 4, 'cache'],
  [{ 'cache-control': 'max-stale' }, 'max-age=10', 15, 'cache'],
  [{ 'cache-control': 'max-stale=10' }, 'max-age=10', 15, 'cache'],
  [{ 'cache-control': 'max-stale=1' }, 'max-age=10', 15, 'service'],
  [{ 'cache-control': 'max-stale' }, 'max-age=10, must-revalidate', 15, 'service'],
  [{ 'cache-control': 'max-stale' }, 's-maxage=10', 15, 'service'],
])('a request with %j for %s after %i s is answered by the %s', async (request, stored, after, from) => {
  expect((await second({ headers: { 'cache-control': stored } }, { request, after })).from).toBe(from)
})

test('requests can be kept from passing by the cache', async () => {
  const options = { requestDirectives: false }
  const result = await second(
    { headers: { 'cache-control': 'max-age=10' } },
    { request: { 'cache-control': 'no-cache' }, options },
  )
  expect(result.from).toBe('cache')
})

test('only-if-cached gets 504 for what is not stored', async () => {
  const result = await exchange(createHttpCache(), 'down', { headers: { 'cache-control': 'only-if-cached' } })
  expect(result).toMatchObject({ from: 'cache', status: 504, headers: { 'cache-status': 'http-cache; detail=only-if-cached' } })
})

describe('a stale response', () => {
  const validators = { etag: '"a"', 'last-modified': date(-100) }

  test('is validated, and has the fields of the 304 response', async () => {
    const cache = createHttpCache()
    await exchange(cache, { headers: { ...validators, 'cache-control': 'max-age=10', 'content-type': 'a/b', x: '1' } })
    pass(20)
    const renewed = await exchange(cache, {
      status: 304,
      headers: { 'cache-control': 'max-age=30', x: '2', 'content-type': 'c/d' },
    })
    expect(renewed).toMatchObject({
      from: 'cache',
      status: 200,
      body: 'body',
      headers: { age: '0', x: '2', 'content-type': 'a/b' },
    })
    expect(renewed.sent).toEqual({ 'if-none-match': '"a"', 'if-modified-since': date(-100) })
    pass(20)
    expect(await exchange(cache, 'down')).toMatchObject({ from: 'cache', headers: { age: '20', x: '2' } })
    expect(cache.stats).toMatchObject({ validated: 1, hits: 1, misses: 2 })
  })

  test('is replaced by a new one, or dropped for one that is not stored', async () => {
    const cache = createHttpCache()
    const stale = { headers: { etag: '"a"', 'cache-control': 'max-age=10' } }
    await exchange(cache, stale)
    pass(20)
    expect((await exchange(cache, { ...stale, body: 'new' })).body).toBe('new')
    expect((await exchange(cache, 'down')).body).toBe('new')
    pass(20)
    await exchange(cache, { headers: { 'cache-control': 'no-store' } })
    expect((await exchange(cache, {})).sent).toEqual({})
  })

  test('is asked for as a whole if the 304 response is about another version', async () => {
    const cache = createHttpCache()
    await exchange(cache, { headers: { etag: '"a"', 'cache-control': 'max-age=0' } })
    pass(1)
    const decision = await cache.open({ method: 'GET', url: 'http://orders/1', rawHeaders: ['if-none-match', '"b"'] })
    if (decision.kind !== 'forward') throw new Error('a stale response was used')
    expect(decision.fill.receive(304, ['etag', '"b"']).kind).toBe('repeat')
    expect(decision.fill.rawHeaders).toEqual([])
  })

  test.each<[string, number, Service, 'cache' | 'service' | 'nothing']>([
    ['max-age=10', 30, 'down', 'cache'],
    ['max-age=10', 80, 'down', 'nothing'],
    ['max-age=10, stale-if-error=100', 80, 'down', 'cache'],
    ['max-age=10', 30, { status: 503 }, 'service'],
    ['max-age=10, stale-if-error=30', 30, { status: 503 }, 'cache'],
    ['max-age=10, stale-if-error=30', 50, { status: 503 }, 'service'],
    ['max-age=10, stale-if-error=30', 30, { status: 404 }, 'service'],
    ['max-age=10, stale-if-error=30, must-revalidate', 30, 'down', 'nothing'],
    ['max-age=10, proxy-revalidate', 30, 'down', 'nothing'],
    ['s-maxage=10', 30, 'down', 'nothing'],
    ['s-maxage=10, stale-if-error=30', 30, 'down', 'cache'],
    ['max-age=10, no-cache', 1, 'down', 'nothing'],
  ])('with %s after %i s, the service being %j, comes from the %s', async (stored, after, service, from) => {
    const cache = createHttpCache()
    await exchange(cache, { headers: { 'cache-control': stored, etag: '"a"' } })
    pass(after)
    expect((await exchange(cache, service)).from).toBe(from)
  })

  test('is used while it is validated', async () => {
    const cache = createHttpCache()
    await exchange(cache, { headers: { 'cache-control': 's-maxage=10, stale-while-revalidate=30', etag: '"a"' } })
    pass(20)
    const request = { method: 'GET', url: 'http://orders/1', rawHeaders: [], canRefresh: true }
    const decision = await cache.open(request)
    if (decision.kind !== 'respond') throw new Error('it was not used')
    expect(decision.refresh?.rawHeaders).toEqual(['if-none-match', '"a"'])
    const meanwhile = await cache.open(request)
    expect([meanwhile.kind, 'refresh' in meanwhile]).toEqual(['respond', false])
    expect(decision.refresh?.receive(304, []).kind).toBe('respond')
    pass(5)
    expect((await exchange(cache, 'down')).headers['cache-status']).toBe('http-cache; hit; ttl=5')
    pass(50)
    expect((await exchange(cache, {})).from).toBe('service')
  })
})

describe('vary', () => {
  test.each<[string, Fields, Fields, 'cache' | 'service']>([
    ['accept-encoding', { 'accept-encoding': 'gzip, br' }, { 'accept-encoding': 'BR,gzip' }, 'cache'],
    ['accept-encoding', { 'accept-encoding': 'gzip' }, { 'accept-encoding': 'br' }, 'service'],
    ['accept-language', { 'accept-language': 'de; q=1, en' }, { 'accept-language': 'DE;q=1,en' }, 'cache'],
    ['accept-language', { 'accept-language': 'de, en' }, { 'accept-language': 'en, de' }, 'service'],
    ['X-A', { 'x-a': 'b' }, { 'x-a': 'B' }, 'service'],
    ['x-a', {}, {}, 'cache'],
    ['x-a', {}, { 'x-a': '' }, 'service'],
    ['x-a, x-b', { 'x-a': '1', 'x-b': '2' }, { 'x-a': '1', 'x-b': '3' }, 'service'],
  ])('%s, %j, then %j: %s', async (vary, first, request, from) => {
    expect((await second({ headers: { 'cache-control': 'max-age=10', vary } }, { first, request })).from).toBe(from)
  })

  test('keeps a bounded number of responses for a key', async () => {
    const store = createMemoryStore({ maxSelections: 2 })
    const cache = createHttpCache({ store })
    for (const accept of ['a', 'b', 'c']) {
      await exchange(cache, { headers: { 'cache-control': 'max-age=10', vary: 'accept' }, body: accept }, { headers: { accept } })
    }
    expect(store.get(' http://orders/1').map(({ body }) => Buffer.from(body).toString())).toEqual(['c', 'b'])
    const other = await exchange(cache, {}, { headers: { accept: 'a' } })
    expect(other.headers['cache-status']).toBe('http-cache; fwd=vary-miss; fwd-status=200')
  })
})

describe('conditions and ranges of a client', () => {
  const stored = { headers: { 'cache-control': 'max-age=10', etag: '"a,b"', 'last-modified': date(-100) }, body: '0123456789' }
  test.each<[Fields, number, string, string?]>([
    [{ 'if-none-match': '"x", W/"a,b"' }, 304, ''],
    [{ 'if-none-match': '"a"' }, 200, '0123456789'],
    [{ 'if-none-match': '*' }, 304, ''],
    [{ 'if-modified-since': date(-100) }, 304, ''],
    [{ 'if-modified-since': date(-101) }, 200, '0123456789'],
    [{ 'if-none-match': '"a"', 'if-modified-since': date(0) }, 200, '0123456789'],
    [{ range: 'bytes=2-4' }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'bytes=8-' }, 206, '89', 'bytes 8-9/10'],
    [{ range: 'bytes=-3' }, 206, '789', 'bytes 7-9/10'],
    [{ range: 'bytes=5-99' }, 206, '56789', 'bytes 5-9/10'],
    [{ range: 'bytes=10-' }, 416, '', 'bytes */10'],
    [{ range: 'bytes=-0' }, 416, '', 'bytes */10'],
    [{ range: 'bytes=4-2' }, 200, '0123456789'],
    [{ range: 'bytes=0-1,4-5' }, 200, '0123456789'],
    [{ range: 'lines=0-1' }, 200, '0123456789'],
    [{ range: 'bytes=2-4', 'if-range': '"a,b"' }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'bytes=2-4', 'if-range': 'W/"a,b"' }, 200, '0123456789'],
    [{ range: 'bytes=2-4', 'if-range': date(-100) }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'bytes=2-4', 'if-range': date(-50) }, 200, '0123456789'],
  ])('%j: %i', async (request, status, body, range) => {
    const result = await second(stored, { request })
    expect(result).toMatchObject({ from: 'cache', status, body })
    expect(result.headers['content-range']).toBe(range)
  })

  test('if-match is for the service', async () => {
    expect((await second(stored, { request: { 'if-match': '"a,b"' } })).from).toBe('service')
  })
})

describe('what was changed', () => {
  const fresh = { headers: { 'cache-control': 'max-age=10' } }
  test.each<[string, Service, readonly string[]]>([
    ['POST', {}, ['/1']],
    ['PUT', { status: 303, headers: { location: '/2' } }, ['/1', '/2']],
    ['DELETE', { headers: { 'content-location': 'http://orders/2', location: 'http://other/3' } }, ['/1', '/2']],
    ['POST', { status: 500 }, []],
    ['OPTIONS', {}, []],
  ])('by %s with %j is not used again: %j', async (method, response, gone) => {
    const cache = createHttpCache()
    const urls = ['http://orders/1', 'http://orders/2', 'http://other/3']
    for (const url of urls) await exchange(cache, fresh, { url })
    await exchange(cache, response, { method })
    const from = await Promise.all(urls.map((url) => exchange(cache, {}, { url })))
    expect(urls.filter((_, index) => from[index]?.from === 'service')).toEqual(gone.map((path) => `http://orders${path}`))
  })

  test('does not come back with a response that was on its way', async () => {
    const cache = createHttpCache()
    await exchange(cache, async () => {
      await exchange(cache, {}, { method: 'POST' })
      return fresh
    })
    expect((await exchange(cache, {})).from).toBe('service')
  })

  test.each([
    [{ url: 'http://orders/1' }, 1, ['2', '3']],
    [{ urlPrefix: 'http://orders/' }, 3, []],
    [{ tag: 'odd' }, 2, ['2']],
    [{ url: 'http://orders/1', zone: 'other' }, 0, ['1', '2', '3']],
  ])('is purged by %j', async (purge, count, left) => {
    const cache = createHttpCache()
    for (const id of ['1', '2', '3']) {
      const tags = Number(id) % 2 ? 'all, odd' : 'all'
      await exchange(cache, { headers: { 'cache-control': 'max-age=10', 'cache-tag': tags } }, { url: `http://orders/${id}` })
    }
    expect(await cache.purge(purge)).toBe(count)
    const kept = []
    for (const id of ['1', '2', '3']) {
      if ((await exchange(cache, {}, { url: `http://orders/${id}` })).from === 'cache') kept.push(id)
    }
    expect(kept).toEqual(left)
  })
})

describe('many requests for one response', () => {
  const request = { method: 'GET', url: 'http://orders/1', rawHeaders: [] }

  test('are one request to the service', async () => {
    const cache = createHttpCache()
    const { promise, resolve } = Promise.withResolvers<Service>()
    let requests = 0
    const all = Array.from({ length: 50 }, () =>
      exchange(cache, () => {
        requests++
        return promise
      }),
    )
    await new Promise(setImmediate)
    resolve({ headers: { 'cache-control': 'max-age=10' } })
    const results = await Promise.all(all)
    expect([requests, results.filter(({ from }) => from === 'cache').length]).toEqual([1, 49])
    expect(results[1]?.headers['cache-status']).toBe('http-cache; hit; ttl=10; collapsed')
    expect(cache.stats).toMatchObject({ collapsed: 49, misses: 1 })
  })

  test('are all sent as soon as a head shows that it is not stored, and do not wait the next time', async () => {
    const cache = createHttpCache()
    const first = await cache.open(request)
    const others = [cache.open(request), cache.open(request)]
    await new Promise(setImmediate)
    if (first.kind === 'forward') first.fill.receive(200, ['cache-control', 'no-store'])
    expect((await Promise.all(others)).map(({ kind }) => kind)).toEqual(['forward', 'forward'])
    expect([(await cache.open(request)).kind, (await cache.open(request)).kind]).toEqual(['forward', 'forward'])
  })

  test('continue one after the other if the first one fails, and wait for a limited time', async () => {
    const cache = createHttpCache({ collapseWaitMs: 10 })
    const first = await cache.open(request)
    const second = cache.open(request)
    await new Promise(setImmediate)
    if (first.kind === 'forward') first.fill.abort()
    const leader = await second
    expect(leader.kind).toBe('forward')
    // The leader does not end.
    expect((await cache.open(request)).kind).toBe('forward')
  })

  test('get the stale response together if the service does not respond', async () => {
    const cache = createHttpCache()
    await exchange(cache, { headers: { 'cache-control': 'max-age=1' } })
    pass(10)
    const first = await cache.open(request)
    const others = [cache.open(request), cache.open(request)]
    await new Promise(setImmediate)
    if (first.kind === 'forward') expect(first.fill.fail()).toMatchObject({ status: 200 })
    expect((await Promise.all(others)).map(({ kind }) => kind)).toEqual(['respond', 'respond'])
  })
})

describe('a body', () => {
  const open = async (options: HttpCacheOptions, raw: readonly string[] = []) => {
    const cache = createHttpCache(options)
    const decision = await cache.open({ method: 'GET', url: 'http://orders/1', rawHeaders: [] })
    if (decision.kind !== 'forward') throw new Error('nothing is stored')
    return { cache, fill: decision.fill, kind: decision.fill.receive(200, ['cache-control', 'max-age=9', ...raw]).kind }
  }

  test('that is cut is not stored', async () => {
    const { cache, fill } = await open({}, ['content-length', '4'])
    fill.write(Buffer.from('abc'))
    fill.end()
    expect((await exchange(cache, {})).from).toBe('service')
  })

  test.each([
    [{ maxBodyBytes: 3 }, [], 'store'],
    [{ maxPendingBytes: 3 }, [], 'store'],
    [{ maxBodyBytes: 3 }, ['content-length', '4'], 'pass'],
  ])('that is longer than %j is not stored', async (options, raw, expected) => {
    const { cache, fill, kind } = await open(options, raw)
    expect(kind).toBe(expected)
    fill.write(Buffer.from('abcd'))
    fill.end()
    expect((await exchange(cache, {})).from).toBe('service')
  })
})

test('a store that fails, is slow or returns another key is an empty one', async () => {
  const never = new Promise<never>(() => undefined)
  const broken: readonly CacheStore['get'][] = [
    () => {
      throw new Error('secret')
    },
    () => Promise.reject(new Error('secret')),
    () => never,
    () => [{ key: ' http://orders/2', keepUntil: Number.POSITIVE_INFINITY } as never],
    () => 'nonsense' as never,
  ]
  for (const get of broken) {
    const cache = createHttpCache({ store: { get, put: () => never, purge: () => never }, storeTimeoutMs: 5 })
    expect((await exchange(cache, { headers: { 'cache-control': 'max-age=9' } })).from).toBe('service')
    await cache.close()
  }
})

test('a response that is complete is stored by a slow store, although its exchange has ended', async () => {
  const memory = createMemoryStore()
  const put: CacheStore['put'] = async (response) => {
    await new Promise(setImmediate)
    memory.put(response)
  }
  const cache = createHttpCache({ store: { get: memory.get, put, purge: memory.purge } })
  const request = { method: 'GET', url: 'http://orders/1', rawHeaders: [] }
  const first = await cache.open(request)
  const second = cache.open(request)
  await new Promise(setImmediate)
  if (first.kind !== 'forward') throw new Error('nothing is stored')
  first.fill.receive(200, ['cache-control', 'max-age=9'])
  first.fill.end()
  first.fill.abort()
  expect([(await second).kind, cache.stats.stored]).toEqual(['respond', 1])
})

test('the memory has limits, and drops what was not used for the longest time', async () => {
  const store = createMemoryStore({ maxEntries: 2 })
  const cache = createHttpCache({ store })
  const fresh = { headers: { 'cache-control': 'max-age=10' } }
  for (const path of ['a', 'b', 'a', 'c']) await exchange(cache, fresh, { url: `http://orders/${path}` })
  expect(store.stats).toMatchObject({ entries: 2, evictions: 1 })
  expect((await exchange(cache, {}, { url: 'http://orders/a' })).from).toBe('cache')
  await cache.close()
  expect([store.stats.entries, (await exchange(cache, fresh)).from]).toEqual([0, 'service'])
})

test.each<[HttpCacheOptions | object, string]>([
  [{ name: 'a b' }, 'name'],
  [{ type: 'public' }, 'type'],
  [{ store: {} }, 'store.get'],
  [{ maxBodyBytes: -1 }, 'maxBodyBytes'],
  [{ collapseWaitMs: 0.5 }, 'collapseWaitMs'],
  [{ ttl: 1 }, 'ttl'],
])('the options %j are refused', (options, field) => {
  expect(() => createHttpCache(options as HttpCacheOptions)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

test('no header fields make a cache fail', async () => {
  const names = ['cache-control', 'expires', 'date', 'age', 'vary', 'etag', 'last-modified', 'range', 'if-none-match', 'pragma']
  const text = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom('max-age=10', 'max-age="', ',,=,', 'bytes=-', date(5), '"a"', '*'),
  )
  const headers = fc.dictionary(fc.constantFrom(...names), text)
  await fc.assert(
    fc.asyncProperty(headers, headers, fc.nat(30), async (response, request, after) => {
      const result = await second({ headers: response }, { request, after })
      expect(['cache', 'service']).toContain(result.from)
    }),
    { numRuns: 200 },
  )
})

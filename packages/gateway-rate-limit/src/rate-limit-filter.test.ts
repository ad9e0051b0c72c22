import { Agent, get } from 'node:http'
import type { RateLimiter } from '@sd/core'
import type { GatewayFilter, RouteSpec } from '@sd/gateway'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { startEdge } from '@sd/test-edge'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createRateLimitFilter, type RateLimitOptions, type RateLimitSpec } from './index.ts'

const hour = 3_600_000

function createLimiter(limit: number): RateLimiter {
  const limiter = createMemoryRateLimiter({ limit, windowMs: hour })
  onTestFinished(() => limiter.close())
  return limiter
}

/** A limiter that decides later, as one with a backend does. */
function later(limiter: RateLimiter): RateLimiter {
  const { name, acquire, close } = limiter
  return {
    name,
    close,
    [Symbol.asyncDispose]: close,
    async acquire(key, options) {
      await new Promise(setImmediate)
      return acquire(key, options)
    },
  }
}

type Limiters = Readonly<Record<string, RateLimiter>>

/** A gateway with these limits on a route. Its clients are those of `x-forwarded-for`. */
function start(limiters: Limiters, options: RateLimitOptions, route: Partial<RouteSpec> = {}): Promise<string> {
  return startEdge(
    (_, response) => response.setHeader('ratelimit', '"service";r=1;t=2').end('orders'),
    [{ ...route, filters: [{ filter: 'rate-limit', ...options }] }],
    { 'rate-limit': createRateLimitFilter({ limiters }) },
    { trustedProxies: ['127.0.0.0/8'] },
  )
}

const statusOf = async (url: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<number> => {
  const response = await fetch(url, { method, headers })
  await response.text()
  return response.status
}

type Sent = readonly [path: string, headers?: Readonly<Record<string, string>>, method?: string]

describe('a key', () => {
  // Two requests share a limit of one request, or they don't.
  test.each<[NonNullable<RateLimitSpec['key']>, Sent, Sent, 'shared' | 'apart']>([
    ['none', ['/a', { 'x-forwarded-for': '192.0.2.1' }], ['/b', { 'x-forwarded-for': '192.0.2.2' }], 'shared'],
    ['client-address', ['/a', { 'x-forwarded-for': '192.0.2.1' }], ['/b', { 'x-forwarded-for': '192.0.2.1' }], 'shared'],
    ['client-address', ['/a', { 'x-forwarded-for': '192.0.2.1' }], ['/a', { 'x-forwarded-for': '192.0.2.2' }], 'apart'],
    ['client-address', ['/', { 'x-forwarded-for': '2001:db8::1' }], ['/', { 'x-forwarded-for': '2001:db8::ffff:1' }], 'shared'],
    ['client-address', ['/', { 'x-forwarded-for': '2001:db8::1' }], ['/', { 'x-forwarded-for': '2001:db8:0:1::1' }], 'apart'],
    ['method', ['/', {}, 'GET'], ['/', {}, 'POST'], 'apart'],
    ['route', ['/', {}, 'GET'], ['/', {}, 'POST'], 'shared'],
    [{ header: 'X-Api-Key' }, ['/', { 'x-api-key': 'a' }], ['/', { 'x-api-key': 'a' }], 'shared'],
    [{ header: 'x-api-key' }, ['/', { 'x-api-key': 'a' }], ['/', { 'x-api-key': 'A' }], 'apart'],
    [{ header: 'x-api-key' }, ['/'], ['/', { 'x-api-key': 'a' }], 'apart'],
    [{ header: 'x-api-key' }, ['/'], ['/'], 'shared'],
    [
      { header: 'x-api-key' },
      ['/', { 'x-api-key': 'a'.repeat(4_000) }],
      ['/', { 'x-api-key': `${'a'.repeat(3_999)}b` }],
      'apart',
    ],
    [{ cookie: 'sid' }, ['/', { cookie: 'a=1; sid=x' }], ['/', { cookie: 'sid=x; a=2' }], 'shared'],
    [{ cookie: 'sid' }, ['/', { cookie: 'xsid=1; sid=x' }], ['/', { cookie: 'xsid=1; sid=y' }], 'apart'],
    [{ placeholder: 'id' }, ['/users/1/a'], ['/users/1/b?x=1'], 'shared'],
    [{ placeholder: 'id' }, ['/users/%31/a'], ['/users/1'], 'shared'],
    [{ placeholder: 'id' }, ['/users/1'], ['/users/2'], 'apart'],
    [[{ placeholder: 'id' }, 'method'], ['/users/1', {}, 'GET'], ['/users/1', {}, 'POST'], 'apart'],
    [[{ header: 'a' }, { header: 'b' }], ['/', { a: '1' }], ['/', { b: '1' }], 'apart'],
    [[{ header: 'a' }, { header: 'b' }], ['/', { a: '1', b: '2' }], ['/', { a: '1', b: '2' }], 'shared'],
  ])('of %j for %j and %j is %s', async (key, first, second, expected) => {
    const route = JSON.stringify(key).includes('placeholder') ? { match: { path: '/users/{id}/*' } } : {}
    const url = await start({ one: createLimiter(1) }, { limits: [{ limiter: 'one', key }] }, route)
    const [one, other] = [
      await statusOf(url + first[0], first[1], first[2]),
      await statusOf(url + second[0], second[1], second[2]),
    ]
    expect([one, other]).toEqual([200, expected === 'shared' ? 429 : 200])
  })

  test('never has what a client sent in a header field or cookie, nor more than 512 characters', async () => {
    const keys: string[] = []
    const note = (key: string): string => keys[keys.push(key) - 1] as string
    const limiter = createLimiter(100)
    const { acquire } = limiter
    const recording = { ...later(limiter), acquire: (key: string) => acquire(note(key)) }
    const url = await start(
      { one: recording, two: { ...recording } },
      {
        limits: [
          { limiter: 'one', key: ['host', 'client-address', { header: 'authorization' }, { cookie: 'sid' }] },
          { limiter: 'two', key: [{ placeholder: 'id' }] },
        ],
      },
      { match: { path: '/users/{id}' } },
    )
    await statusOf(`${url}/users/${'long'.repeat(500)}`, { authorization: 'Bearer secret', cookie: 'sid=secret' })
    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys) expect(key).toSatisfy((text: string) => text.length < 300 && !text.includes('secret'))
  })

  test('of limits that share a limiter differ on routes with other keys', async () => {
    const one = createLimiter(1)
    const filter = (key: RateLimitSpec['key']) => [{ filter: 'rate-limit', limits: [{ limiter: 'one', key }] }]
    const url = await startEdge(
      (_, response) => response.end(),
      [
        { match: { path: '/a' }, filters: filter({ header: 'x' }) },
        { match: { path: '/b' }, filters: filter({ cookie: 'x' }) },
        { match: { path: '/c' }, filters: filter({ header: 'x' }) },
      ],
      { 'rate-limit': createRateLimitFilter({ limiters: { one } }) },
    )
    const headers = { x: '1', cookie: 'x=1' }
    const statuses = []
    for (const path of ['/a', '/b', '/c']) statuses.push(await statusOf(url + path, headers))
    expect(statuses).toEqual([200, 200, 429])
  })
})

test('a key of the identity is that which a filter has verified', async () => {
  const verify: GatewayFilter = {
    onRequest(exchange) {
      exchange.identity = exchange.header('x-user')
      return undefined
    },
  }
  const limits = [{ limiter: 'one', key: 'identity' }]
  const url = await startEdge(
    (_, response) => response.end(),
    [{ filters: [{ filter: 'verify' }, { filter: 'rate-limit', limits }] }],
    { verify: () => verify, 'rate-limit': createRateLimitFilter({ limiters: { one: createLimiter(1) } }) },
  )
  const statuses = []
  for (const user of ['a', 'b', 'a', undefined, undefined, '']) {
    statuses.push(await statusOf(url, user === undefined ? {} : { 'x-user': user }))
  }
  expect(statuses).toEqual([200, 200, 429, 200, 429, 200])
})

describe('a response', () => {
  test('that is allowed has the fields of all limits, beside those of the service', async () => {
    const limiters = { 'per-client': createLimiter(10), all: createLimiter(100) }
    const url = await start(limiters, {
      limits: [
        { limiter: 'per-client', cost: 3 },
        { limiter: 'all', key: 'none' },
      ],
    })
    const { headers } = await fetch(url)
    expect(headers.get('ratelimit-policy')).toBe('"per-client";q=10;w=3600, "all";q=100;w=3600')
    expect(headers.get('ratelimit')).toMatch(/^"service";r=1;t=2, "per-client";r=7;t=\d+, "all";r=99;t=\d+$/)
    expect(headers.has('retry-after')).toBe(false)
  })

  test('that is refused says which limit it was and when to try again', async () => {
    const limiters = { 'per-client': createLimiter(100), all: createLimiter(1) }
    const url = await start(limiters, { limits: [{ limiter: 'per-client' }, { limiter: 'all', key: 'none' }] })
    expect(await statusOf(url)).toBe(200)
    const response = await fetch(url, { headers: { accept: 'application/json' } })
    expect([response.status, response.headers.get('x-gateway-error')]).toEqual([429, 'SD_REJECTED'])
    expect(response.headers.get('ratelimit-policy')).toBe('"all";q=1;w=3600')
    expect(response.headers.get('ratelimit')).toMatch(/^"all";r=0;t=\d+$/)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(3_500)
    expect(await response.json()).toMatchObject({ status: 429, code: 'SD_REJECTED' })
  })
})

test('a request takes its cost', async () => {
  const url = await start({ one: createLimiter(10) }, { limits: [{ limiter: 'one', cost: 4 }] })
  expect([await statusOf(url), await statusOf(url), await statusOf(url)]).toEqual([200, 200, 429])
})

test('networks are exempt', async () => {
  const url = await start(
    { one: createLimiter(1) },
    { limits: [{ limiter: 'one', key: 'none' }], exempt: ['192.0.2.0/24', '2001:db8::/32'] },
  )
  for (const address of ['192.0.2.1', '192.0.2.1', '2001:db8::7', '198.51.100.1']) {
    expect([address, await statusOf(url, { 'x-forwarded-for': address })]).toEqual([address, 200])
  }
  expect(await statusOf(url, { 'x-forwarded-for': '198.51.100.1' })).toBe(429)
})

test('a dry run takes units, and refuses nothing', async () => {
  const one = createLimiter(2)
  const url = await start({ one }, { limits: [{ limiter: 'one', key: 'none' }], dryRun: true })
  for (let sent = 0; sent < 3; sent++) {
    const response = await fetch(url)
    expect([response.status, response.headers.has('ratelimit-policy')]).toEqual([200, false])
  }
  expect(one.tryAcquire?.('all', { cost: 0 }).remaining).toBe(0)
})

describe('concurrent requests', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 })
  afterAll(() => agent.destroy())
  const send = (url: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = get(url, { agent }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0))
      })
      sent.on('error', reject)
    })

  // Where the small limit is known at once, nothing of the large one is taken for a request that is refused.
  test.each<[number, string, { small: boolean; large: boolean }, boolean]>([
    [1_000, 'both limits are here', { small: false, large: false }, true],
    [200, 'the small limit is elsewhere', { small: true, large: false }, true],
    [200, 'the large limit is elsewhere', { small: false, large: true }, false],
    [200, 'both limits are elsewhere', { small: true, large: true }, false],
  ])('%i get exactly as many units as there are, if %s', async (count, _, isLater, isExact) => {
    const small = createLimiter(50)
    const large = createLimiter(400)
    const limiters = { small: isLater.small ? later(small) : small, large: isLater.large ? later(large) : large }
    const url = await start(limiters, {
      limits: [
        { limiter: 'large', key: 'none' },
        { limiter: 'small', key: 'none' },
      ],
    })
    const statuses = await Promise.all(Array.from({ length: count }, () => send(url)))
    expect(statuses.filter((status) => status === 200)).toHaveLength(50)
    expect(statuses.filter((status) => status === 429)).toHaveLength(count - 50)
    expect(small.tryAcquire?.('all', { cost: 0 }).remaining).toBe(0)
    const { remaining = 0 } = large.tryAcquire?.('all', { cost: 0 }) ?? {}
    if (isExact) expect(remaining).toBe(350)
    else expect(remaining).toBeLessThanOrEqual(350)
  })
})

describe('a limiter that fails', () => {
  const failing = (limiter: RateLimiter): RateLimiter => ({
    ...later(limiter),
    acquire: () => Promise.reject(new Error('the secret address of a backend')),
  })

  test('refuses requests, because its own settings did not let them pass', async () => {
    const url = await start({ one: failing(createLimiter(1)) }, { limits: [{ limiter: 'one' }] })
    const response = await fetch(url)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await response.text()).not.toContain('secret')
  })

  test('is the same when it is closed', async () => {
    const one = createLimiter(1)
    const url = await start({ one }, { limits: [{ limiter: 'one' }] })
    await one.close()
    expect(await statusOf(url)).toBe(503)
  })

  test('lets requests pass in a dry run', async () => {
    const url = await start({ one: failing(createLimiter(1)) }, { limits: [{ limiter: 'one' }], dryRun: true })
    expect(await statusOf(url)).toBe(200)
  })

  test('has no fields if it lets a request pass without a check', async () => {
    const one = createLimiter(1)
    const open: RateLimiter = {
      ...later(one),
      acquire: async () => ({
        allowed: true,
        limit: 1,
        remaining: 0,
        windowMs: 1,
        resetMs: 0,
        retryAfterMs: 0,
        degraded: 'open',
      }),
    }
    const url = await start({ open, two: later(createLimiter(5)) }, { limits: [{ limiter: 'two' }, { limiter: 'open' }] })
    const { status, headers } = await fetch(url)
    expect([status, headers.get('ratelimit-policy')]).toEqual([200, '"two";q=5;w=3600'])
  })
})

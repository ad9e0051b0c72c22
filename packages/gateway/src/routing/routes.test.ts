import type { ServerResponse } from 'node:http'
import type { RateLimitDecision, RateLimiter } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import type { GatewayFilter } from '../filters/filter.ts'
import { resolveTable } from '../table/resolve-table.ts'
import type { RouteSpec } from '../table/table.ts'
import { type Echo, fetchEcho, startFleet } from '../testing/start-fleet.ts'
import { compileTable } from './compile-table.ts'

const forward = { service: 'orders' }

test.each<[string, RouteSpec['match'] & object, RouteSpec['rewrite'] & object, string, string]>([
  ['a prefix', { path: '/orders/*' }, { prefix: '/v2/orders' }, '/orders/1/%6Cines?full=1', '/v2/orders/1/%6Cines?full=1'],
  ['a prefix, of its end', { path: '/orders/*' }, { prefix: '/v2' }, '/orders?full=1', '/v2?full=1'],
  ['the prefix /', { path: '/orders/*' }, { prefix: '/' }, '/orders/1', '/1'],
  ['the prefix /, of its end', { path: '/orders/*' }, { prefix: '/' }, '/orders', '/'],
  ['a slash at the end', { path: '/orders/*' }, { prefix: '/v2' }, '/orders/', '/v2/'],
  ['placeholders', { path: '/shops/{shop}/{id}' }, { path: '/{id}/of-{shop}' }, '/shops/a%20b/7?q=/', '/7/of-a%20b?q=/'],
  ['placeholders in a prefix', { path: '/{shop}/*' }, { prefix: '/v1/{shop}' }, '/a/b/c', '/v1/a/b/c'],
  ['any path', {}, { prefix: '/base' }, '/a', '/base/a'],
])('a rewrite changes %s', async (_, match, rewrite, from, to) => {
  const fleet = startFleet()
  await fleet.serve('a')
  const { url } = await fleet.gateway([{ name: 'orders', match, forward, rewrite: { ...rewrite, host: 'orders.internal' } }])
  const { echo } = await fetchEcho(`${url}${from}`)
  expect(echo).toMatchObject({ url: to, headers: { host: 'orders.internal', 'x-forwarded-host': url.slice(7) } })
})

test.each<[RouteSpec['redirect'] & object, number, string]>([
  [{}, 308, 'http://HOST/old/1?a=b'],
  [{ status: 301, scheme: 'https' }, 301, 'https://127.0.0.1/old/1?a=b'],
  [{ scheme: 'https', host: 'www.example.com:8443', path: '/new/{id}' }, 308, 'https://www.example.com:8443/new/1?a=b'],
])('a redirect with %o', async (redirect, status, location) => {
  const { url } = await startFleet().gateway([{ name: 'old', match: { path: '/old/{id}' }, redirect }])
  const response = await fetch(`${url}/old/1?a=b`, { redirect: 'manual' })
  expect([response.status, response.headers.get('location')]).toEqual([status, location.replace('HOST', url.slice(7))])
})

test('a request whose method alone has no route gets 405 with the others, and HEAD is answered as GET', async () => {
  const fleet = startFleet()
  await fleet.serve('a')
  const { url } = await fleet.gateway([
    { name: 'read', match: { path: '/orders/*', methods: ['GET'] }, forward },
    { name: 'write', match: { path: '/orders', methods: ['POST'] }, forward },
  ])
  const refused = await fetch(`${url}/orders`, { method: 'DELETE' })
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST'])
  expect(await refused.text()).toBe('405 Method Not Allowed\nThe method DELETE is not allowed here.\n')
  expect((await fetch(`${url}/orders/1`, { method: 'HEAD' })).status).toBe(200)
  expect((await fetch(`${url}/elsewhere`, { method: 'DELETE' })).status).toBe(404)
})

test('weights split requests evenly, and instance selectors keep to theirs', async () => {
  const fleet = startFleet()
  await fleet.serve('old', { version: '1.9.1' })
  await fleet.serve('new', { version: 'v2.0.0-rc.1' })
  await fleet.serve('other', { version: '20.0.0' })
  const targets = [
    { ...forward, weight: 3, instances: { version: '1' } },
    { ...forward, instances: { version: '2' } },
    { ...forward, weight: 0 },
  ]
  const { url } = await fleet.gateway([{ name: 'orders', forward: targets }])
  const ids: string[] = []
  for (let call = 0; call < 8; call++) ids.push((await fetchEcho(url)).echo.id)
  expect(ids.filter((id) => id === 'old')).toHaveLength(6)
  expect(ids.filter((id) => id === 'new')).toHaveLength(2)
  expect(ids.slice(0, 4)).toContain('new')
})

test('a lane: a route selects by header field, and another forces one', async () => {
  const fleet = startFleet()
  await fleet.serve('base')
  await fleet.serve('canary', { metadata: { lane: 'canary' } })
  const canary = { ...forward, instances: { metadata: { lane: 'canary' } } }
  const { url } = await fleet.gateway([
    { name: 'lane', match: { headers: { 'x-lane': 'canary' } }, forward: canary },
    { name: 'beta', match: { path: '/beta' }, forward: canary, headers: { request: { set: { 'x-lane': 'canary' } } } },
    { name: 'edge', match: { path: '/edge' }, forward, headers: { request: { remove: ['X-Lane'] } } },
  ])
  expect((await fetchEcho(url, { headers: { 'x-lane': 'canary' } })).echo.id).toBe('canary')
  expect((await fetchEcho(`${url}/beta`)).echo.headers['x-lane']).toBe('canary')
  expect((await fetchEcho(`${url}/edge`, { headers: { 'x-lane': 'canary' } })).echo.headers).not.toHaveProperty('x-lane')
})

describe('filters', () => {
  test('see requests after the rules of the route and in order, and responses before them and backwards', async () => {
    const fleet = startFleet()
    await fleet.serve('a')
    const steps: string[] = []
    const trace = ({ id }: Readonly<Record<string, unknown>>): GatewayFilter => ({
      onRequest(exchange) {
        steps.push(`request ${id} ${exchange.header('x-user')}`)
        exchange.addHeader('x-user', String(id))
        return id === 'second' ? Promise.resolve(undefined) : undefined
      },
      onResponse(_, response) {
        steps.push(`response ${id} ${response.header('x-by')}`)
        response.setHeader('x-by', String(id))
      },
      onEnd: () => void steps.push(`end ${id}`),
    })
    const { url } = await fleet.gateway(
      [
        {
          name: 'orders',
          forward,
          headers: { request: { set: { 'X-User': 'edge' } }, response: { add: { 'x-by': 'rule' }, remove: ['date'] } },
          filters: [
            { filter: 'trace', id: 'first' },
            { filter: 'trace', id: 'second' },
          ],
        },
      ],
      { filters: { trace } },
    )
    const { response, echo } = await fetchEcho(url, { headers: { 'x-user': 'forged' } })
    expect(echo.headers['x-user']).toBe('edge, first, second')
    expect(response.headers.get('x-by')).toBe('first, rule')
    expect(response.headers.has('date')).toBe(false)
    expect(steps).toEqual([
      'request first edge',
      'request second edge, first',
      'response second undefined',
      'response first second',
      'end first',
      'end second',
    ])
  })

  test('are kept while match, target and filters of their route are the same', () => {
    const listeners = [{ name: 'edge', address: '127.0.0.1:0' }]
    const create = vi.fn((options: object): GatewayFilter => ({ onEnd: () => void options }))
    const parts = { filters: { count: create }, rateLimiters: {}, affinityKeys: [], protocols: [] }
    const resolve = (routes: RouteSpec[]) => resolveTable({ listeners, routes }, parts)
    const one: RouteSpec = { name: 'one', match: { path: '/one' }, forward, filters: [{ filter: 'count', max: { of: 1 } }] }
    const two: RouteSpec = { name: 'two', forward, filters: [{ filter: 'count' }] }
    const first = compileTable(resolve([one, two]), parts)
    const second = compileTable(
      resolve([
        { ...two, forward: { service: 'carts' } },
        { ...one, limits: { bodyBytes: 1 } },
      ]),
      parts,
      first,
    )
    expect(second.version).toBe(2)
    expect(second.routes[1]?.userFilters).toBe(first.routes[0]?.userFilters)
    expect(second.routes[0]?.userFilters).not.toBe(first.routes[1]?.userFilters)
    expect(compileTable(resolve([two, one]), parts, first).routes[1]).toBe(first.routes[0])
    expect(create.mock.calls).toEqual([
      [{ max: { of: 1 } }, { route: 'one', path: 'routes[0].filters[0]', match: { path: '/one' } }],
      [{}, { route: 'two', path: 'routes[1].filters[0]' }],
      [{}, { route: 'two', path: 'routes[0].filters[0]' }],
    ])
  })

  test('everything that factories refuse is reported with its path', async () => {
    const filter = (options: object): GatewayFilter => {
      if ('no' in options) return undefined as never
      throw new Error('No audience')
    }
    const routes: RouteSpec[] = [{ name: 'a', forward, filters: [{ filter: 'auth' }, { filter: 'auth', no: true }] }]
    await expect(startFleet().gateway(routes, { filters: { auth: filter } })).rejects.toMatchObject({
      code: 'SD_INVALID',
      message: expect.stringMatching(
        /routes\[0\]\.filters\[0\]: No audience\n- Invalid routes\[0\]\.filters\[1\]: got undefined/,
      ),
    })
  })
})

describe('limits', () => {
  test('of concurrent requests refuse with 503, and are free again after a request has ended', async () => {
    const fleet = startFleet()
    const held: ServerResponse[] = []
    await fleet.serve('a', { respond: (_, response) => void held.push(response) })
    const { url } = await fleet.gateway([{ name: 'orders', forward, limits: { concurrency: 1 } }])
    for (let round = 0; round < 2; round++) {
      const first = fetch(url)
      await vi.waitFor(() => expect(held).toHaveLength(1), 10_000)
      const full = await fetch(url)
      expect([full.status, full.headers.get('retry-after'), full.headers.get('x-gateway-error')]).toEqual([
        503,
        '1',
        'SD_REJECTED',
      ])
      held.pop()?.end('done')
      expect(await (await first).text()).toBe('done')
    }
  })

  test.each<[string, RouteSpec['limits'] & object, (key: string) => boolean]>([
    ['client-address', { rate: { limiter: 'some' } }, (key) => key === 'address:127.0.0.1'],
    ['none', { rate: { limiter: 'some', key: 'none' } }, (key) => key === 'all'],
    ['header', { rate: { limiter: 'some', key: { header: 'X-User' } } }, (key) => key === 'header:ada'],
    ['later', { rate: { limiter: 'later', key: { header: 'x-long' } } }, (key) => /^header:[\da-f]{64}$/.test(key)],
  ])('of the rate, by %s, refuse with 429 and the numbers of the limiter', async (_, limits, isKey) => {
    const refused: RateLimitDecision = {
      allowed: false,
      limit: 5,
      remaining: 0,
      windowMs: 60_000,
      resetMs: 7_000,
      retryAfterMs: 7_000,
    }
    const keys: string[] = []
    const decide = (key: string): RateLimitDecision => {
      keys.push(key)
      return keys.length > 1 ? refused : { ...refused, allowed: true }
    }
    const some = { name: 'some', acquire: async () => decide, tryAcquire: decide } as unknown as RateLimiter
    const later = { name: 'later', acquire: async (key: string) => decide(key) } as unknown as RateLimiter
    const fleet = startFleet()
    await fleet.serve('a')
    const { url } = await fleet.gateway([{ name: 'orders', forward, limits }], { rateLimiters: { some, later } })
    const headers = { 'x-user': 'ada', 'x-long': 'l'.repeat(500) }
    const allowed = await fetch(url, { headers })
    expect([allowed.status, allowed.headers.get('ratelimit-policy')]).toEqual([200, '"default";q=5;w=60'])
    const response = await fetch(url, { headers })
    expect(response.status).toBe(429)
    expect(Object.fromEntries(response.headers)).toMatchObject({ ratelimit: '"default";r=0;t=7', 'retry-after': '7' })
    expect(keys.every(isKey)).toBe(true)
    expect(fleet.outcomes.at(-1)).toMatchObject({ status: 429, error: { code: 'SD_REJECTED' } })
  })
})

describe('a mirror', () => {
  test('gets a copy of the request as it was sent on, and its response is dropped', async () => {
    const fleet = startFleet()
    await fleet.serve('a')
    const copies = new Map<string | undefined, object>()
    await fleet.serve('shadow', {
      service: 'shadow',
      respond: ({ method, url, headers }, response, body) => {
        copies.set(url, { method, user: headers['x-user'], body })
        response.writeHead(500).end('dropped')
      },
    })
    const { url } = await fleet.gateway([
      {
        name: 'orders',
        match: { path: '/orders/*' },
        forward,
        rewrite: { prefix: '/v2' },
        headers: { request: { set: { 'x-user': 'edge' } } },
        mirror: { service: 'shadow', percent: 50 },
      },
    ])
    for (let call = 0; call < 4; call++) {
      const body = call < 2 ? `body ${call}` : undefined
      const { echo } = await fetchEcho(`${url}/orders/${call}`, body === undefined ? {} : { method: 'POST', body })
      expect(echo).toMatchObject({ id: 'a', body: body ?? '' } satisfies Partial<Echo>)
    }
    await vi.waitFor(() => expect(copies.size).toBe(2), 10_000)
    expect(Object.fromEntries(copies)).toEqual({
      '/v2/1': { method: 'POST', user: 'edge', body: 'body 1' },
      '/v2/3': { method: 'GET', user: 'edge', body: '' },
    })
    expect(fleet.outcomes.map(({ mirror }) => mirror)).toEqual([undefined, 'sent', undefined, 'sent'])
  })

  test('is left out for long bodies, beyond its limit, and for requests that a filter refuses', async () => {
    const fleet = startFleet()
    await fleet.serve('a')
    const seen: (string | undefined)[] = []
    const held: ServerResponse[] = []
    await fleet.serve('shadow', {
      service: 'shadow',
      respond({ url }, response) {
        seen.push(url)
        held.push(response)
      },
    })
    const deny = (): GatewayFilter => ({
      onRequest: (exchange) => (exchange.header('authorization') === undefined ? { status: 401 } : undefined),
    })
    const mirror = { service: 'shadow', bodyBytes: 10, concurrency: 1 }
    const { url } = await fleet.gateway([{ name: 'orders', forward, mirror, filters: [{ filter: 'auth' }] }], {
      filters: { auth: deny },
    })
    const headers = { authorization: 'Basic x' }
    expect((await fetch(`${url}/refused`)).status).toBe(401)
    expect((await fetch(`${url}/long`, { method: 'POST', body: 'x'.repeat(11), headers })).status).toBe(200)
    expect((await fetch(`${url}/held`, { method: 'POST', body: 'x'.repeat(10), headers })).status).toBe(200)
    expect((await fetch(`${url}/full`, { headers })).status).toBe(200)
    await vi.waitFor(() => expect(seen).toEqual(['/held']), 10_000)
    held[0]?.end()
    expect(fleet.outcomes.map(({ mirror: outcome }) => outcome)).toEqual([undefined, 'dropped', 'sent', 'dropped'])
  })

  test('without instances, or that is not HTTP, does not affect the request', async () => {
    const fleet = startFleet()
    await fleet.serve('a')
    await fleet.serve('shadow', { service: 'shadow', respond: (request) => request.socket.destroy() })
    for (const service of ['shadow', 'nobody']) {
      const { url } = await fleet.gateway([{ name: 'orders', forward, mirror: { service } }])
      expect((await fetchEcho(url, { method: 'POST', body: 'x' })).echo.body).toBe('x')
    }
  })
})

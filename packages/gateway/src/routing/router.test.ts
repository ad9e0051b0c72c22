import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FieldMatch, RouteMatch, RouteSpec } from '../table/table.ts'
import { meetsField } from './route-conditions.ts'
import { findAmbiguous, findUnreachable } from './route-overlap.ts'
import type { RoutedRequest } from './routed-request.ts'
import { Router } from './router.ts'

function createRouter(matches: Record<string, RouteMatch>): Router<{ spec: RouteSpec }> {
  return new Router(Object.entries(matches).map(([name, match]) => ({ spec: { name, match, forward: { service: name } } })))
}

function request(target: string, more: Partial<RoutedRequest> = {}): RoutedRequest {
  const slash = target.indexOf('/')
  const [host, path] = [target.slice(0, slash), target.slice(slash)]
  return { listener: 'edge', method: 'GET', host, path, protocol: 'http', rawHeaders: [], ...more }
}

describe('the most specific route', () => {
  const router = createRouter({
    any: {},
    api: { hosts: ['api.example.com'] },
    sub: { hosts: ['*.example.com'], path: '/*' },
    deep: { hosts: ['*.b.example.com'] },
    orders: { path: '/orders' },
    below: { path: '/orders/*' },
    order: { path: '/orders/{id}' },
    mine: { path: '/orders/mine' },
    lines: { path: '/orders/{id}/lines/*' },
    mineBelow: { path: '/orders/mine/lines' },
    slash: { path: '/users/' },
    accents: { path: '/caf%C3%A9' },
    search: { path: '/search', query: { q: { present: true } } },
    debug: { path: '/search', query: { q: { present: true }, debug: '1' } },
    canary: { path: '/search', headers: { 'X-Lane': { oneOf: ['canary', 'test'] } }, methods: ['GET'], protocol: 'http' },
    write: { path: '/write', methods: ['POST', 'PUT'] },
    read: { path: '/read', methods: ['GET'] },
  })

  test.each([
    ['x.org/', 'any'],
    ['/', 'any'],
    ['api.example.com/orders', 'api'],
    ['api.example.com./orders', 'api'],
    ['www.example.com/orders', 'sub'],
    ['a.b.example.com/', 'deep'],
    ['b.example.com/', 'sub'],
    ['example.com/', 'any'],
    ['/orders', 'orders'],
    ['/orders?id=1/2', 'orders'],
    ['/orders/', 'below'],
    ['/orders/1', 'order'],
    ['/orders/mine', 'mine'],
    ['/%6Frders/m%69ne', 'mine'],
    ['/orders/1/lines', 'lines'],
    ['/orders/1/lines/2/3', 'lines'],
    ['/orders/mine/lines', 'mineBelow'],
    ['/orders/mine/lines/2', 'lines'],
    ['/orders/mine/pages', 'below'],
    ['/ordersX', 'any'],
    ['/users', 'any'],
    ['/users/', 'slash'],
    ['/caf%c3%a9', 'accents'],
    ['/search', 'any'],
    ['/search?q', 'search'],
    ['/search?a=1&%71=x&q=y', 'search'],
    ['/search?q=1&debug=1&debug=2', 'debug'],
    ['/search?q=1&debug=2&debug=1', 'search'],
  ])('of %s is %s', (target, name) => {
    expect(router.find(request(target))?.spec.name).toBe(name)
  })

  test('depends on header fields, method and protocol', () => {
    const rawHeaders = ['x-lane', 'canary']
    expect(router.find(request('/search?q=1&debug=1', { rawHeaders }))?.spec.name).toBe('canary')
    expect(router.find(request('/search?q=1', { rawHeaders, method: 'POST' }))?.spec.name).toBe('search')
    expect(router.find(request('/search', { rawHeaders, protocol: 'websocket' }))?.spec.name).toBe('any')
    expect(router.find(request('/search', { rawHeaders: [...rawHeaders, ...rawHeaders] }))?.spec.name).toBe('any')
    expect(router.find(request('/read', { method: 'HEAD' }))?.spec.name).toBe('read')
  })
})

test('methods that a path allows are listed for a request that differs in nothing else', () => {
  const router = createRouter({
    write: { path: '/a', methods: ['POST'] },
    read: { path: '/a', methods: ['GET'] },
    lane: { path: '/a', methods: ['DELETE'], headers: { lane: '1' } },
  })
  expect(router.find(request('/a', { method: 'PATCH' }))).toBeUndefined()
  expect(router.allowedMethods(request('/a', { method: 'PATCH' }))).toEqual(['GET', 'HEAD', 'POST'])
  expect(router.allowedMethods(request('/b', { method: 'PATCH' }))).toEqual([])
})

const segment = fc.constantFrom('a', 'b', 'a%2Eb', '%61', 'A', '{x}', '{y}')
const pathPattern = fc
  .tuple(fc.uniqueArray(segment, { maxLength: 3 }), fc.constantFrom('', '/*', '/'))
  .map(([segments, end]) => (segments.length === 0 ? end || '/' : `/${segments.join('/')}${end}`))
const fieldMatch: fc.Arbitrary<FieldMatch> = fc.oneof(
  fc.constantFrom('1', '2'),
  fc.record({ present: fc.boolean() }),
  fc.record({ oneOf: fc.constantFrom(['1'], ['1', '2'], ['12', '3']) }),
  fc.record({ prefix: fc.constantFrom('1', '12') }),
)
const anyMatch = fc.record(
  {
    hosts: fc.uniqueArray(fc.constantFrom('a.com', 'b.a.com', '*.a.com', '*.com', 'com'), { minLength: 1, maxLength: 2 }),
    path: pathPattern,
    methods: fc.uniqueArray(fc.constantFrom('GET', 'POST', 'HEAD'), { minLength: 1, maxLength: 2 }),
    headers: fc.dictionary(fc.constantFrom('x', 'y'), fieldMatch, { maxKeys: 2 }),
    query: fc.dictionary(fc.constantFrom('p'), fieldMatch, { maxKeys: 1 }),
    protocol: fc.constantFrom('http' as const, 'websocket' as const),
  },
  { requiredKeys: [] },
)
const anyRoutes = fc
  .array(fc.record({ match: anyMatch, listeners: fc.option(fc.constant(['edge']), { nil: undefined }) }), { maxLength: 12 })
  .map((routes) =>
    routes.map(({ match, listeners }, index): RouteSpec => ({ name: `r${index}`, match, ...(listeners && { listeners }) })),
  )
const value = fc.constantFrom('1', '2', '12', '123', '')
const anyRequest: fc.Arbitrary<RoutedRequest> = fc.record({
  listener: fc.constantFrom('edge', 'inner'),
  method: fc.constantFrom('GET', 'POST', 'HEAD', 'PUT'),
  host: fc.constantFrom('a.com', 'b.a.com', 'c.b.a.com', 'com', ''),
  path: fc
    .tuple(
      fc.array(fc.constantFrom('a', 'b', 'a.b', '%61', 'A', '%7Bx%7D', '*', 'c'), { maxLength: 4 }),
      fc.constantFrom('', '/'),
      fc.option(value),
    )
    .map(([segments, end, p]) => `/${segments.join('/')}${segments.length > 0 ? end : ''}${p === null ? '' : `?p=${p}`}`),
  protocol: fc.constantFrom('http' as const, 'websocket' as const),
  rawHeaders: fc
    .uniqueArray(fc.tuple(fc.constantFrom('x', 'y'), value), { selector: ([name]) => name })
    .map((fields) => fields.flat()),
})

/** What the documentation of `RouteMatch` says, one route after the other. */
function findByReference(routes: readonly RouteSpec[], { path, host, method, rawHeaders, protocol, listener }: RoutedRequest) {
  const url = new URL(`http://x${path}`)
  const segments = (path.split('?')[0] as string).slice(1).split('/').map(decodeURIComponent)
  const isHost = (pattern: string): boolean => (pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern)
  const fieldOf = (name: string) => rawHeaders[rawHeaders.indexOf(name) + 1]
  const ranked = routes.flatMap((route) => {
    const { match = {}, listeners } = route
    const hosts = (match.hosts ?? ['']).filter((pattern) => pattern === '' || isHost(pattern))
    const parts = (match.path ?? '/*').slice(1).split('/').map(decodeURIComponent)
    const length = parts.at(-1) === '*' ? parts.length - 1 : parts.length
    const isPath =
      (length === parts.length ? segments.length === length : segments.length >= length) &&
      parts.slice(0, length).every((part, index) => (part.startsWith('{') ? segments[index] !== '' : part === segments[index]))
    const methods = match.methods ?? [method]
    const conditions = [
      listeners?.includes(listener) ?? true,
      (match.protocol ?? protocol) === protocol,
      methods.includes(method) || (method === 'HEAD' && methods.includes('GET')),
      ...Object.entries(match.headers ?? {}).map(([name, field]) =>
        meetsField(field, rawHeaders.includes(name) ? fieldOf(name) : undefined),
      ),
      ...Object.entries(match.query ?? {}).map(([name, field]) => meetsField(field, url.searchParams.get(name) ?? undefined)),
    ]
    if (hosts.length === 0 || !isPath || conditions.includes(false)) return []
    const hostRank = Math.max(
      ...hosts.map((pattern) => (pattern === '' ? 0 : pattern.startsWith('*.') ? pattern.split('.').length : 99)),
    )
    const pathRank = [...parts.map((part) => (part === '*' ? 1 : part.startsWith('{') ? 2 : 3)), 4].join('')
    const fields = [...Object.values(match.headers ?? {}), ...Object.values(match.query ?? {})]
    const count = fields.length + [listeners, match.protocol, match.methods].filter(Boolean).length
    const values = fields.filter((field) => typeof field === 'string' || 'oneOf' in field).length
    const prefixes = fields.filter((field) => typeof field !== 'string' && 'prefix' in field).length
    return [{ route, rank: [String(hostRank).padStart(2, '0'), pathRank, count, values, prefixes].join('/') }]
  })
  ranked.sort((one, other) => (one.rank < other.rank ? 1 : -1))
  return { route: ranked[0]?.route, isTie: ranked.length > 1 && ranked[0]?.rank === ranked[1]?.rank }
}

test('a route that only names http leaves the requests of other protocols to the one without a protocol', () => {
  const routes: RouteSpec[] = [
    { name: 'any', match: { methods: ['GET'] }, forward: { service: 'any' } },
    { name: 'http', match: { methods: ['GET'], protocol: 'http' }, forward: { service: 'http' } },
  ]
  expect(findUnreachable(routes, ['edge'])).toEqual([])
})

describe('for any routes and request', () => {
  test('the router finds what one route after the other finds, and ties are ambiguous routes', () => {
    fc.assert(
      fc.property(anyRoutes, fc.array(anyRequest, { minLength: 1, maxLength: 20 }), (routes, requests) => {
        const router = new Router(routes.map((spec) => ({ spec })))
        const ambiguous = new Set(findAmbiguous(routes, ['edge', 'inner']).flatMap(({ first, second }) => [first, second]))
        const unreachable = findUnreachable(routes, ['edge', 'inner'])
        for (const one of requests) {
          const { route, isTie } = findByReference(routes, one)
          const found = router.find(one)?.spec
          if (isTie) expect(ambiguous).toContain(found)
          else expect(found).toBe(route)
          expect(unreachable).not.toContain(found)
          expect(router.candidates(one).find(({ unmet }) => !unmet)?.route.spec).toBe(found)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('escapes of any characters of the path have no effect', () => {
    fc.assert(
      fc.property(anyRoutes, anyRequest, fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }), (routes, one, choices) => {
        const router = new Router(routes.map((spec) => ({ spec })))
        const [path = '', query] = one.path.split('?')
        const escaped = path.replace(/%..|[^/]/g, (character, index: number) =>
          choices[index % 20] && !character.startsWith('%') ? `%${character.charCodeAt(0).toString(16)}` : character,
        )
        const other = { ...one, path: query === undefined ? escaped : `${escaped}?${query}` }
        expect(router.find(other)).toBe(router.find(one))
      }),
    )
  })
})

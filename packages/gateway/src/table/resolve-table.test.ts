import { SdError } from '@sd/core'
import { expect, test } from 'vitest'
import { isUnchanged } from './copy-data.ts'
import { checkTable, resolveTable } from './resolve-table.ts'
import type { RouteSpec } from './table.ts'

const listeners = [{ name: 'edge', address: '127.0.0.1:0' }]
const names = {
  filters: { auth: () => ({}) },
  rateLimiters: { perClient: {} },
  affinityKeys: ['k'.repeat(32)],
  protocols: [{ kind: 'upgrade', name: 'websocket', connect: () => ({ beginDrain: () => {} }) } as const],
}

function problemsOf(route: object, more: readonly object[] = []): (string | undefined)[] {
  const table = { listeners, routes: [{ name: 'orders', forward: { service: 'orders' }, ...route }, ...more] }
  return checkTable(table, names).problems.map(({ field }) => field)
}

test('a table gets its defaults, and shares no object with the one that was given', () => {
  const route = {
    name: 'orders',
    listeners: ['edge'],
    match: {
      hosts: ['api.example.com', '*.example.org', '[::1]', 'localhost'],
      path: '/orders/{id}/*',
      methods: ['GET'],
      headers: { 'x-lane': 'canary', 'X-Old': { present: false } },
      query: { debug: { oneOf: ['1', 'true'] }, q: { prefix: 'a' } },
      protocol: 'http' as const,
    },
    forward: [
      { service: 'orders', weight: 9 },
      { service: 'orders', weight: 1, instances: { version: '2', metadata: { az: 'a' } } },
    ],
    mirror: { service: 'shadow', percent: 10, concurrency: 5, bodyBytes: 0 },
    rewrite: { prefix: '/v2/{id}', host: 'orders.internal:8080' },
    headers: { request: { remove: ['x-user'], set: { 'x-lane': 'canary' } }, response: { add: { 'x-served-by': 'edge' } } },
    affinity: { cookie: '__Host-instance', ttlMs: 60_000, path: '/', sameSite: 'none' as const, secure: true },
    limits: { bodyBytes: 1, concurrency: 1, rate: { limiter: 'perClient', key: { header: 'x-user' } }, replayBytes: 0 },
    timeouts: { headMs: 1, idleMs: 0, maxMs: 0 },
    filters: [{ filter: 'auth', audience: 'orders' }],
  }
  const table = { listeners, routes: [route] }
  const resolved = resolveTable(table, names)
  expect(resolved.routes).toEqual([route])
  expect(resolved.listeners).toMatchObject([
    { host: '127.0.0.1', port: 0, limits: { headers: 100 }, timeouts: { idleBodyMs: 30_000 } },
  ])
  expect(resolved.routes[0]).not.toBe(route)
  expect(Object.isFrozen(resolved.routes[0]?.match?.hosts)).toBe(true)
  expect(checkTable(table, names)).toEqual({ problems: [], warnings: [] })
})

test.each([
  [{ name: '' }, 'name'],
  [{ forwards: {} }, 'forwards'],
  [{ listeners: [] }, 'listeners'],
  [{ listeners: ['edge', 'inner'] }, 'listeners[1]'],
  [{ match: { host: ['a'] } }, 'match.host'],
  [{ match: { hosts: ['api.example.com:80'] } }, 'match.hosts[0]'],
  [{ match: { hosts: ['a', 'a'] } }, 'match.hosts[1]'],
  [{ match: { hosts: ['*'] } }, 'match.hosts[0]'],
  [{ match: { path: 'orders' } }, 'match.path'],
  [{ match: { path: '/a/*/b' } }, 'match.path'],
  [{ match: { path: '/a*' } }, 'match.path'],
  [{ match: { path: '/a//b' } }, 'match.path'],
  [{ match: { path: '/a/%2e%2E/b' } }, 'match.path'],
  [{ match: { path: '/a%2Fb' } }, 'match.path'],
  [{ match: { path: '/a?b' } }, 'match.path'],
  [{ match: { path: '/é' } }, 'match.path'],
  [{ match: { path: '/{id}/{id}' } }, 'match.path'],
  [{ match: { path: `/${'a/'.repeat(70)}` } }, 'match.path'],
  [{ match: { methods: ['get'] } }, 'match.methods[0]'],
  [{ match: { methods: ['TRACE'] } }, 'match.methods[0]'],
  [{ match: { headers: { 'x lane': 'a' } } }, 'match.headers.x lane'],
  [{ match: { headers: { 'x-lane': 1 } } }, 'match.headers.x-lane'],
  [{ match: { headers: { 'x-lane': {} } } }, 'match.headers.x-lane'],
  [{ match: { headers: { 'x-lane': { present: 'yes' } } } }, 'match.headers.x-lane.present'],
  [{ match: { headers: { 'x-lane': 'a', 'X-Lane': 'b' } } }, 'match.headers.X-Lane'],
  [{ match: { query: { a: { regex: '.*' } } } }, 'match.query.a.regex'],
  [{ match: { query: { a: { prefix: '' } } } }, 'match.query.a.prefix.length'],
  [{ match: { protocol: 'ftp' } }, 'match.protocol'],
  [{ forward: undefined }, ''],
  [{ respond: { status: 200 } }, ''],
  [{ forward: [] }, 'forward'],
  [{ forward: [{ service: 'http://orders' }] }, 'forward[0].service'],
  [{ forward: [{ service: 'orders', weight: 0 }] }, 'forward'],
  [{ forward: { service: 'orders', instances: { versions: '2' } } }, 'forward.instances.versions'],
  [{ forward: undefined, redirect: { status: 200 } }, 'redirect.status'],
  [{ forward: undefined, redirect: { host: 'a/b' } }, 'redirect.host'],
  [{ forward: undefined, redirect: { path: '/a', prefix: '/b' } }, 'redirect'],
  [{ forward: undefined, respond: { status: 101 } }, 'respond.status'],
  [{ forward: undefined, respond: { status: 200, headers: { 'content-length': '1' } } }, 'respond.headers.content-length'],
  [{ forward: undefined, respond: { status: 200 }, timeouts: {} }, 'timeouts'],
  [{ mirror: { service: 'a', percent: 101 } }, 'mirror.percent'],
  [{ match: { path: '/a' }, rewrite: { prefix: '/b' } }, 'rewrite.prefix'],
  [{ match: { path: '/{id}' }, rewrite: { path: '/{name}' } }, 'rewrite.path'],
  [{ rewrite: { path: '/a/../b' } }, 'rewrite.path'],
  [{ rewrite: { host: 'user@a' } }, 'rewrite.host'],
  [{ headers: { request: { set: { Host: 'a' } } } }, 'headers.request.set.Host'],
  [{ headers: { request: { remove: ['Connection'] } } }, 'headers.request.remove[0]'],
  [{ headers: { response: { add: { 'Transfer-Encoding': 'chunked' } } } }, 'headers.response.add.Transfer-Encoding'],
  [{ headers: { response: { set: { 'x-a': 'a\r\nb: c' } } } }, 'headers.response.set.x-a'],
  [{ affinity: { cookie: 'a=b' } }, 'affinity.cookie'],
  [{ affinity: { cookie: 'a', sameSite: 'none' } }, 'affinity.secure'],
  [{ affinity: { cookie: '__Host-a' } }, 'affinity.secure'],
  [{ limits: { bodyBytes: -1 } }, 'limits.bodyBytes'],
  [{ limits: { rate: { limiter: 'perUser' } } }, 'limits.rate.limiter'],
  [{ limits: { rate: { limiter: 'perClient', key: 'cookie' } } }, 'limits.rate.key'],
  [{ timeouts: { headMs: 1.5 } }, 'timeouts.headMs'],
  [{ filters: ['auth'] }, 'filters[0]'],
  [{ filters: [{ filter: 'cors' }] }, 'filters[0].filter'],
])('a route with %o is refused at %s', (route, field) => {
  expect(problemsOf(route)).toEqual([field === '' ? 'routes[0]' : `routes[0].${field}`])
})

test.each([
  [{ address: '127.0.0.1' }, 'address'],
  [{ address: '::1:80' }, 'address'],
  [{ address: 'localhost:65536' }, 'address'],
  [{ protocols: ['h3'] }, 'protocols[0]'],
  [{ tls: {} }, 'tls.certificates'],
  [{ tls: { certificates: [{ cert: 'x', key: { file: 'a' } }] } }, 'tls.certificates[0].cert'],
  [{ trustedProxies: ['10.0.0.0/33'] }, 'trustedProxies[0]'],
  [{ trustedProxies: ['example.com'] }, 'trustedProxies[0]'],
  [{ proxyProtocol: 'optional' }, 'proxyProtocol'],
  [{ limits: { headers: 0 } }, 'limits.headers'],
  [{ timeouts: { headersMs: 0 } }, 'timeouts.headersMs'],
  [{ limits: { minBodyRate: { bytesPerSecond: -1 } } }, 'limits.minBodyRate.bytesPerSecond'],
  [{ limits: { minBodyRate: { windowMs: 0 } } }, 'limits.minBodyRate.windowMs'],
])('a listener with %o is refused at %s', (listener, field) => {
  const { problems } = checkTable({ listeners: [{ ...listeners[0], ...listener }], routes: [] }, names)
  expect(problems.map((problem) => problem.field)).toEqual([`listeners[0].${field}`])
})

test('all problems are collected, with their messages', () => {
  const routes = [
    { name: 'a', match: { path: 'x', hosts: [1] }, forward: {} },
    7,
    { name: 'c', respond: { status: 200 } },
    { name: 'c' },
  ]
  let thrown: unknown
  try {
    resolveTable({ listeners: [], routes, version: 1 })
  } catch (error) {
    thrown = error
  }
  expect(thrown).toMatchObject({ code: 'SD_INVALID', field: 'version' })
  const { cause, message } = thrown as { cause: SdError[]; message: string }
  expect(cause.every((problem) => problem instanceof SdError)).toBe(true)
  expect(cause.map(({ field }) => field)).toEqual([
    'version',
    'listeners',
    'routes[0].match.hosts[0]',
    'routes[0].match.path',
    'routes[0].forward.service',
    'routes[1]',
    'routes[3].name',
    'routes[3]',
  ])
  expect(message).toContain('The table has 8 problems:\n- Invalid version: unknown field')
  expect(() => resolveTable(undefined)).toThrow('Invalid table: got undefined, want an object')
})

test('a message names ten problems at most', () => {
  const routes = Array.from({ length: 200 }, (_, index) => ({ name: `r${index}` }))
  expect(() => resolveTable({ listeners, routes })).toThrow(/^The table has 100 problems:(?:\n- .*){10}\n- and 90 more$/)
})

test('ambiguous routes are refused with both names and an example', () => {
  const match = { hosts: ['*.example.com'], path: '/orders/{id}', headers: { 'x-lane': { prefix: 'c' } } }
  const other = {
    hosts: ['a.com', '*.Example.com'],
    path: '/%6Frders/{number}',
    query: { full: { present: true } },
    methods: ['GET'],
  }
  const second = { name: 'second', match: other, forward: { service: 'b' } }
  const table = {
    listeners,
    routes: [{ name: 'first', match: { ...match, methods: ['POST', 'GET'] }, forward: { service: 'a' } }, second],
  }
  expect(() => resolveTable(table)).not.toThrow()
  expect(
    problemsOf({ match: { ...match, query: { page: 'x' }, methods: ['GET'] } }, [
      { ...second, match: { ...other, headers: { 'X-Lane': { oneOf: ['blue', 'canary'] } } } },
    ]),
  ).toEqual([])
  const { problems } = checkTable({
    listeners,
    routes: [table.routes[0], { ...second, match: { ...other, query: {}, headers: { 'X-LANE': { prefix: 'can' } } } }],
  })
  expect(problems.map(({ message }) => message)).toEqual([
    'Invalid routes[1].match: first and second have the same precedence, and GET a.example.com/orders/1 with x-lane: can meets both; want a further condition for one of them',
  ])
})

test.each([
  [{ methods: ['GET'] }, { methods: ['HEAD'] }, true],
  [{ methods: ['GET'] }, { methods: ['POST'] }, false],
  [{ methods: ['GET'] }, { headers: { a: '1' } }, false],
  [{ headers: { a: { present: true } } }, { headers: { a: { present: false } } }, false],
  [{ headers: { a: { present: true } } }, { headers: { b: { present: false } } }, true],
  [{ headers: { a: '1' } }, { headers: { A: '2' } }, false],
  [{ query: { a: { oneOf: ['1', '2'] } } }, { query: { a: '2' } }, true],
  [{ query: { a: { prefix: 'x' } } }, { query: { a: { prefix: 'xy' } } }, true],
  [{ query: { a: { prefix: 'x' } } }, { query: { a: { prefix: 'y' } } }, false],
  [{ protocol: 'http' }, { protocol: 'websocket' }, false],
  [{ protocol: 'http' }, { methods: ['GET'] }, true],
  [{ hosts: ['a.com'] }, { hosts: ['b.com'] }, false],
  [{ hosts: ['a.com', 'b.com'] }, { hosts: ['B.com'] }, true],
  [{ hosts: ['*.a.com'] }, { hosts: ['*.com'] }, false],
  [{}, { path: '/*' }, true],
  [{ path: '/a' }, { path: '/a/*' }, false],
  [{ path: '/{a}/b' }, { path: '/{b}/b' }, true],
  [{ path: '/{a}/b' }, { path: '/a/{b}' }, false],
])('routes with %o and %o: ambiguous %s', (one, other, isAmbiguous) => {
  const fields = problemsOf({ match: one }, [{ name: 'other', match: other, forward: { service: 'b' } }])
  expect(fields).toEqual(isAmbiguous ? ['routes[1].match'] : [])
})

test('probable mistakes are warnings', () => {
  const forward = { service: 'a' }
  const routes = [
    { name: 'with', match: { path: '/a', headers: { x: { present: true } } }, forward },
    { name: 'without', match: { path: '/a', headers: { x: { present: false } } }, forward },
    { name: 'never', match: { path: '/a' }, forward },
    { name: 'edge', listeners: ['edge'], match: { path: '/b' }, forward },
    { name: 'all', match: { path: '/b' }, forward },
    { name: 'one', match: { path: '/c' }, forward, affinity: { cookie: 'sid' } },
    { name: 'two', match: { path: '/d' }, forward: { service: 'b' }, affinity: { cookie: 'sid' } },
  ]
  expect(checkTable({ listeners, routes }, names)).toEqual({
    problems: [],
    warnings: [
      { field: 'routes[2]', message: 'is never used: more specific routes get all of its requests' },
      { field: 'routes[4]', message: 'is never used: more specific routes get all of its requests' },
      {
        field: 'routes[6].affinity.cookie',
        message: 'is that of the route one too, which has other services: they replace it in turn',
      },
    ],
  })
})

test('a route is unchanged if match, listeners, forward and filters are, in any order of keys', () => {
  const route: RouteSpec = { name: 'a', match: { path: '/a', methods: ['GET'] }, forward: { service: 'a', weight: 1 } }
  expect(isUnchanged(route, { ...route, forward: { weight: 1, service: 'a' }, limits: { bodyBytes: 1 } })).toBe(true)
  expect(isUnchanged(route, { ...route, forward: { service: 'a', weight: 2 } })).toBe(false)
  expect(isUnchanged(route, { ...route, filters: [{ filter: 'auth' }] })).toBe(false)
})

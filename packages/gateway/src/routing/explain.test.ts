import { expect, test } from 'vitest'
import { resolveTable } from '../table/resolve-table.ts'
import type { GatewayTable, RouteSpec } from '../table/table.ts'
import { startFleet } from '../testing/start-fleet.ts'
import { explainRoute, explainTable } from './explain.ts'

const forward = { service: 'orders' }
const table: GatewayTable = {
  listeners: [
    { name: 'clear', address: '127.0.0.1:0' },
    { name: 'edge', address: '127.0.0.1:0', tls: { certificates: [{ cert: { file: 'a' }, key: { file: 'b' } }] } },
  ],
  routes: [
    { name: 'shop', match: { hosts: ['shop.example.com'] }, forward },
    {
      name: 'orders',
      match: { path: '/orders/{id}', methods: ['GET', 'PUT'] },
      forward: [
        { ...forward, weight: 3 },
        { ...forward, instances: { version: '2' } },
      ],
      rewrite: { path: '/v2/{id}' },
      limits: { rate: { limiter: 'some', key: { header: 'x-user' } } },
    },
    { name: 'canary', match: { path: '/orders/{id}', headers: { 'x-lane': 'canary' }, methods: ['GET'] }, forward },
    { name: 'clear', listeners: ['clear'], match: { path: '/orders/*' }, redirect: { scheme: 'https' } },
    { name: 'any', match: { path: '/orders/*' }, respond: { status: 404 } },
    { name: 'socket', match: { protocol: 'websocket' }, forward },
  ],
}
const names = { rateLimiters: { some: {} } }
const resolved = resolveTable(table, names)

test('a route, why the others are not taken, and what the request becomes', () => {
  const headers = { 'X-User': 'ada' }
  expect(explainRoute(resolved, { url: 'https://API.example.com:8443/orders/./7?full=1', headers })).toEqual({
    request: { listener: 'edge', method: 'GET', protocol: 'http', host: 'api.example.com', path: '/orders/7?full=1' },
    route: 'orders',
    otherRoutes: [
      { route: 'shop', unmet: 'match.hosts' },
      { route: 'canary', unmet: 'match.headers.x-lane' },
      { route: 'clear', unmet: 'listeners' },
      { route: 'any' },
      { route: 'socket', unmet: 'match.protocol' },
    ],
    path: '/v2/7?full=1',
    targets: [
      { service: 'orders', share: 0.75 },
      { service: 'orders', share: 0.25, instances: { version: '2' } },
    ],
    policies: { limits: { rate: { limiter: 'some', key: { header: 'x-user' } } } },
    rateKey: 'header:ada',
  })
})

test.each([
  [{ url: 'http://a.com:8080/orders/1/2' }, { route: 'clear', status: 308, location: 'https://a.com/orders/1/2' }],
  [{ url: 'https://a/orders/1/2' }, { route: 'any', status: 404 }],
  [
    { url: 'https://a/none', method: 'POST' },
    { otherRoutes: expect.arrayContaining([{ route: 'orders', unmet: 'match.path' }]) },
  ],
  [
    { url: 'http://a/', listener: 'edge', protocol: 'websocket' as const },
    { route: 'socket', path: '/' },
  ],
  [{ url: 'http://a/../..%2f' }, { refusal: { status: 400, detail: expect.any(String) }, targets: [] }],
])('%o', (probe, expected) => {
  expect(explainRoute(resolved, probe)).toMatchObject(expected)
})

test('conditions may be about fields that the gateway adds', () => {
  const match = { headers: { 'x-forwarded-proto': 'http' } }
  const routes = [{ name: 'insecure', match, redirect: { scheme: 'https' as const } }]
  expect(explainTable({ ...table, routes }, { url: 'http://a/x' })).toMatchObject({ route: 'insecure', location: 'https://a/x' })
  expect(explainTable({ ...table, routes }, { url: 'https://a/x' })).not.toHaveProperty('route')
})

test('methods that would be allowed', () => {
  const routes = (table.routes as RouteSpec[]).filter(({ name }) => name === 'orders')
  const probe = { url: 'https://a/orders/1', method: 'DELETE' }
  const { route, allowedMethods, otherRoutes } = explainTable({ ...table, routes }, probe, names)
  expect({ route, allowedMethods, otherRoutes }).toEqual({
    allowedMethods: ['GET', 'HEAD', 'PUT'],
    otherRoutes: [{ route: 'orders', unmet: 'match.methods' }],
  })
})

test.each([
  [{ url: '/orders' }, 'url'],
  [{ url: 'http://a/', listener: 'inner' }, 'listener'],
  [{ url: 'http://a/', method: 'get' }, 'method'],
  [{ url: 'http://a/', header: {} }, 'header'],
])('a probe with %o is refused', (probe, field) => {
  expect(() => explainRoute(resolved, probe)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

test('a gateway explains the endpoints too', async () => {
  const fleet = startFleet()
  await fleet.serve('a', { version: '1.0' })
  await fleet.serve('b', { version: '2.1' })
  const targets = [{ ...forward, instances: { version: '2' } }, { service: 'nobody' }]
  const { gateway, url } = await fleet.gateway([{ name: 'orders', forward: targets }])
  await fetch(url)
  const explanation = gateway.explain({ url: 'http://a/' })
  expect(explanation.targets).toMatchObject([
    {
      endpoints: [
        { instanceId: 'a', version: '1.0', excluded: 'instances' },
        { instanceId: 'b', version: '2.1', origin: expect.stringMatching(/^http:\/\/127\.0\.0\.1:/) },
      ],
    },
    { service: 'nobody', endpoints: [] },
  ])
  expect(explanation.targets[0]?.endpoints?.[1]).not.toHaveProperty('excluded')
  expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation)
})

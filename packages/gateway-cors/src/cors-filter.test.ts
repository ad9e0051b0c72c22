import type { RequestListener } from 'node:http'
import type { FilterFactory, GatewayFilter } from '@sd/gateway'
import { startEdge } from '@sd/test-edge'
import { beforeEach, describe, expect, test } from 'vitest'
import { type CorsOptions, createCorsFilter } from './index.ts'
import { fetchAsPage, type PageRequest, type PageResult, send } from './testing/browser.ts'

const app = 'https://app.example.com'
const preflightFields = { origin: app, 'access-control-request-method': 'PUT' }

/** A service with CORS fields of its own, none of which is right, and what it received. */
const received: string[] = []
const service: RequestListener = (request, response) => {
  received.push(`${request.method} ${request.url}`)
  response.writeHead(request.url === '/missing' ? 404 : 200, {
    'access-control-allow-origin': '*, https://other.example',
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'DELETE',
    'access-control-allow-headers': '*',
    'access-control-expose-headers': 'x-secret',
    'access-control-max-age': '86400',
    'access-control-allow-private-network': 'true',
    'x-secret': '1',
    'x-page': '2',
    'content-type': 'text/plain',
  })
  response.end('orders')
}
beforeEach(() => void received.splice(0))

const cors = (options: CorsOptions) => [{ filter: 'cors', ...options }]
const start = (options: CorsOptions): Promise<string> =>
  startEdge(service, [{ filters: cors(options) }], { cors: createCorsFilter() })

const ok = (...readable: string[]): PageResult => ({ status: 200, readable: expect.arrayContaining(readable) as string[] })
const denied: PageResult = { error: 'CORS check' }

// Rows of the Fetch standard, named by the files of web-platform-tests that have them.
const rows: readonly (readonly [string, CorsOptions, PageRequest, PageResult])[] = [
  ['cors-basic: an origin that is listed', { origins: [app] }, { origin: app }, ok('content-type')],
  ['cors-basic: any origin', { origins: ['*'] }, { origin: app }, ok()],
  ['access-control-basic-denied: another origin', { origins: [app] }, { origin: 'https://evil.example' }, denied],
  ['cors-origin: another port', { origins: [app] }, { origin: `${app}:8443` }, denied],
  ['cors-origin: another scheme', { origins: [app] }, { origin: 'http://app.example.com' }, denied],
  ['cors-origin: a subdomain', { origins: [app] }, { origin: 'https://a.app.example.com' }, denied],
  ['origin: a wildcard for one label', { origins: ['https://*.example.com'] }, { origin: app }, ok()],
  ['origin: a wildcard for two labels', { origins: ['https://*.example.com'] }, { origin: 'https://a.b.example.com' }, ok()],
  ['origin: a wildcard without its label', { origins: ['https://*.example.com'] }, { origin: 'https://example.com' }, denied],
  ['origin: a name with the same end', { origins: ['https://*.example.com'] }, { origin: 'https://evilexample.com' }, denied],
  [
    'origin: a name that begins like the wildcard',
    { origins: ['https://*.example.com'] },
    { origin: 'https://a.example.com.evil.example' },
    denied,
  ],
  [
    'origin: other characters in place of labels',
    { origins: ['https://*.example.com'] },
    { origin: 'https://evil.example/.example.com' },
    denied,
  ],
  ['cors-multiple-origins: two origins', { origins: [app] }, { origin: `${app}, ${app}` }, denied],
  ['origin: the case differs', { origins: [app] }, { origin: 'https://APP.example.com' }, denied],
  ['data-url-iframe: no origin', { origins: [app] }, { origin: 'null' }, denied],
  ['data-url-iframe: no origin, listed', { origins: [app, 'null'] }, { origin: 'null' }, ok()],
  ['data-url-iframe: no origin, any', { origins: ['*'] }, { origin: 'null' }, ok()],
  ['cors-cookies: credentials', { origins: [app], credentials: true }, { origin: app, credentials: true }, ok()],
  ['cors-cookies: credentials, not allowed', { origins: [app] }, { origin: app, credentials: true }, denied],
  ['cors-cookies: credentials, any origin', { origins: ['*'] }, { origin: app, credentials: true }, denied],
  [
    'credentials-flag: a wildcard is reflected',
    { origins: ['https://*.example.com'], credentials: true },
    { origin: app, credentials: true },
    ok(),
  ],
  ['cors-no-preflight: POST', { origins: [app] }, { origin: app, method: 'POST' }, ok()],
  ['cors-preflight: PUT', { origins: [app], methods: ['PUT'] }, { origin: app, method: 'PUT' }, ok()],
  ['cors-preflight: PUT, not listed', { origins: [app] }, { origin: app, method: 'PUT' }, { error: 'preflight method' }],
  ['cors-preflight: another origin', { origins: [app], methods: ['PUT'] }, { origin: 'null', method: 'PUT' }, denied],
  ['cors-preflight-star: any method', { origins: ['*'], methods: ['*'] }, { origin: app, method: 'PATCH' }, ok()],
  [
    'cors-preflight: PUT with credentials',
    { origins: [app], methods: ['PUT'], credentials: true },
    { origin: app, method: 'PUT', credentials: true },
    ok(),
  ],
  ['allow-headers: a field', { origins: [app], headers: ['X-Page'] }, { origin: app, headers: { 'x-page': '1' } }, ok()],
  [
    'allow-headers: a field that is not listed',
    { origins: [app], headers: ['x-page'] },
    { origin: app, headers: { 'x-page': '1', 'x-other': '1' } },
    { error: 'preflight header' },
  ],
  ['cors-preflight-star: any field', { origins: ['*'], headers: ['*'] }, { origin: app, headers: { 'x-page': '1' } }, ok()],
  [
    'cors-preflight-star: any field is not authorization',
    { origins: ['*'], headers: ['*'] },
    { origin: app, headers: { authorization: 'a' } },
    { error: 'preflight header' },
  ],
  [
    'cors-preflight-star: authorization, listed',
    { origins: ['*'], headers: ['*', 'authorization'] },
    { origin: app, headers: { authorization: 'a' } },
    ok(),
  ],
  ['cors-filtering: a response field', { origins: [app], exposedHeaders: ['X-Page'] }, { origin: app }, ok('x-page')],
  ['cors-expose-star: all response fields', { origins: ['*'], exposedHeaders: ['*'] }, { origin: app }, ok('x-page', 'x-secret')],
]

describe('a page', () => {
  test.each(rows)('%s', async (_, options, page, expected) => {
    expect(await fetchAsPage(`${await start(options)}/`, page)).toEqual(expected)
    if ('error' in expected && expected.error.startsWith('preflight')) expect(received).toEqual([])
  })

  test('reads no field that only the service has exposed', async () => {
    const result = await fetchAsPage(await start({ origins: [app] }), { origin: app })
    expect(result).toMatchObject({ readable: expect.not.arrayContaining(['x-secret', 'x-page']) })
  })
})

test('a preflight request never reaches the service', async () => {
  const url = await start({
    origins: [app],
    methods: ['PUT', 'DELETE'],
    headers: ['x-page'],
    maxAgeMs: 90_999,
    privateNetwork: true,
  })
  const { status, headers, body } = await send(url, 'OPTIONS', {
    ...preflightFields,
    'access-control-request-private-network': 'true',
  })
  expect([status, body, received]).toEqual([204, '', []])
  expect(headers).toMatchObject({
    'access-control-allow-origin': [app],
    'access-control-allow-methods': ['PUT, DELETE'],
    'access-control-allow-headers': ['x-page'],
    'access-control-max-age': ['90'],
    'access-control-allow-private-network': ['true'],
    vary: ['origin'],
  })
  expect(headers).not.toHaveProperty('access-control-expose-headers')
  expect(headers).not.toHaveProperty('access-control-allow-credentials')
})

test.each([
  [{ origins: [app] } satisfies CorsOptions, { 'access-control-request-private-network': 'true' }],
  [{ origins: [app], privateNetwork: true } satisfies CorsOptions, {}],
])('a private network needs the option and the request: %j', async (options, more) => {
  const { headers } = await send(await start(options), 'OPTIONS', { ...preflightFields, ...more })
  expect(headers).not.toHaveProperty('access-control-allow-private-network')
})

test('a preflight request of another origin is refused with a reason', async () => {
  const url = await start({ origins: [app] })
  const { status, headers, body } = await send(url, 'OPTIONS', { ...preflightFields, origin: 'https://evil.example' })
  expect([status, body]).toEqual([403, expect.stringContaining('not allowed')])
  expect(headers).toMatchObject({ vary: ['origin'] })
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
})

test.each([{ origin: app }, { 'access-control-request-method': 'PUT' }, {}])(
  'an OPTIONS request with %j is one of the service',
  async (headers) => {
    const { status, body } = await send(`${await start({ origins: [app] })}/own`, 'OPTIONS', headers)
    expect([status, body, received]).toEqual([200, 'orders', ['OPTIONS /own']])
  },
)

describe('vary', () => {
  const varyOf = async (options: CorsOptions, headers: Readonly<Record<string, string>>) =>
    (await send(await start(options), 'GET', headers)).headers['vary']

  test.each<Readonly<Record<string, string>>>([{}, { origin: app }, { origin: 'https://evil.example' }])(
    'names origin on a response to %j',
    async (headers) => {
      expect(await varyOf({ origins: [app] }, headers)).toEqual(['origin'])
    },
  )

  test('is not needed for any origin: the response is the same, also without one', async () => {
    const { headers } = await send(await start({ origins: ['*'] }), 'GET')
    expect(headers).not.toHaveProperty('vary')
    expect(headers['access-control-allow-origin']).toEqual(['*'])
  })

  test.each([
    ['accept', ['accept', 'origin']],
    ['Accept, Origin', ['Accept, Origin']],
    ['*', ['*']],
  ])('of the service, %s, is kept', async (value, expected) => {
    const respond: RequestListener = (_, response) => response.writeHead(200, { vary: value }).end()
    const url = await startEdge(respond, [{ filters: cors({ origins: [app] }) }], { cors: createCorsFilter() })
    expect((await send(url, 'GET', { origin: app })).headers['vary']?.join(', ')).toBe(expected.join(', '))
  })
})

test('errors of the service, of the gateway and of other filters have the fields', async () => {
  const refuse: GatewayFilter = { onRequest: () => ({ status: 401 }) }
  const fail: GatewayFilter = {
    onRequest() {
      throw new Error('secret')
    },
  }
  const filters: Readonly<Record<string, FilterFactory>> = {
    cors: createCorsFilter(),
    refuse: () => refuse,
    fail: () => fail,
  }
  const own = cors({ origins: [app] })
  const url = await startEdge(
    service,
    [
      { match: { path: '/missing' }, filters: own },
      { match: { path: '/nowhere' }, forward: { service: 'nowhere' }, filters: own },
      { match: { path: '/large' }, limits: { bodyBytes: 1 }, filters: own },
      { match: { path: '/refused' }, filters: [...own, { filter: 'refuse' }] },
      { match: { path: '/refused-before' }, filters: [{ filter: 'refuse' }, ...own] },
      { match: { path: '/failed' }, filters: [...own, { filter: 'fail' }] },
    ],
    filters,
  )
  for (const [path, status] of [
    ['/missing', 404],
    ['/nowhere', 503],
    ['/large', 413],
    ['/refused', 401],
    ['/refused-before', 401],
    ['/failed', 500],
  ] as const) {
    const response = await fetch(`${url}${path}`, { method: 'POST', headers: { origin: app }, body: 'body' })
    expect([path, response.status, response.headers.get('access-control-allow-origin')]).toEqual([path, status, app])
  }
})

test('a route with methods needs OPTIONS, because a preflight request is one', async () => {
  const route = (methods: string[]) => [{ match: { methods }, filters: cors({ origins: [app], methods: ['PUT'] }) }]
  const filters = { cors: createCorsFilter() }
  const page = { origin: app, method: 'PUT' }
  expect(await fetchAsPage(await startEdge(service, route(['PUT', 'OPTIONS']), filters), page)).toMatchObject({ status: 200 })
  expect(await fetchAsPage(await startEdge(service, route(['PUT']), filters), page)).toEqual(denied)
})

import type { ServerResponse } from 'node:http'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { type AuthForwardOptions, createAuthForwardFilter } from './index.ts'
import { type Edge, startEdge } from './testing/start-edge.ts'

test('the service is asked with method, path, addresses and chosen fields, and without the body', async () => {
  const edge = await startEdge({
    orders: {},
    chosen: { requestHeaders: ['X-Api-Key', 'x-forwarded-method'] },
    service: { url: 'service://auth/by/name?c=d' },
  })
  const headers = [
    'authorization',
    'Bearer a',
    'cookie',
    'sid=1',
    'cookie',
    'b=2',
    'x-api-key',
    'k',
    'x-other',
    'o',
    'x-forwarded-for',
    '203.0.113.7',
    'x-forwarded-method',
    'forged',
    'x-forwarded-uri',
    '/forged',
  ]
  expect((await edge.send('orders/1?x=y', { method: 'POST', headers, body: 'a body' })).status).toBe(200)
  const [first] = edge.questions
  expect(first).toMatchObject({
    method: 'GET',
    url: '/check?a=b',
    body: '',
    headers: {
      authorization: 'Bearer a',
      cookie: 'sid=1; b=2',
      'x-forwarded-method': 'POST',
      'x-forwarded-uri': '/orders/1?x=y',
      'x-forwarded-host': 'shop.example',
      'x-forwarded-proto': 'http',
      'x-forwarded-for': expect.stringContaining('203.0.113.7') as string,
      'x-request-id': expect.any(String) as string,
    },
  })
  for (const name of ['x-api-key', 'x-other', 'content-length']) expect(first?.headers).not.toHaveProperty(name)
  await edge.send('chosen/1', { headers })
  expect(edge.questions[1]?.headers).toMatchObject({ 'x-api-key': 'k', 'x-forwarded-method': 'GET' })
  expect(edge.questions[1]?.headers).not.toHaveProperty('authorization')
  expect((await edge.send('service/1', { method: 'DELETE' })).status).toBe(200)
  expect(edge.questions[2]).toMatchObject({ url: '/by/name?c=d', headers: { 'x-forwarded-method': 'DELETE' } })
})

// What the authorisation service responds, and what the client gets.
const refusals: readonly (readonly [string, (response: ServerResponse) => void, Readonly<Record<string, unknown>>])[] = [
  ['200', (response) => response.writeHead(200).end(), { status: 200 }],
  ['204', (response) => response.writeHead(204).end(), { status: 200 }],
  ['202 with a body', (response) => response.writeHead(202).end('ignored'), { status: 200 }],
  ['200 with a huge body', (response) => response.writeHead(200).end('x'.repeat(1_000_000)), { status: 200 }],
  [
    '401 with a challenge',
    (response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="a"', 'x-hidden': '1' }).end('log in'),
    { status: 401, body: 'log in', headers: expect.objectContaining({ 'www-authenticate': 'Basic realm="a"' }) },
  ],
  [
    '403 as JSON',
    (response) => response.writeHead(403, { 'content-type': 'application/problem+json' }).end('{"title":"no"}'),
    { status: 403, body: '{"title":"no"}', headers: expect.objectContaining({ 'content-type': 'application/problem+json' }) },
  ],
  ['403 without a body', (response) => response.writeHead(403).end(), { status: 403, body: '' }],
  ['404', (response) => response.writeHead(404).end('none'), { status: 404, body: 'none' }],
  [
    '429',
    (response) => response.writeHead(429, { 'retry-after': '7' }).end(),
    { status: 429, headers: expect.objectContaining({ 'retry-after': '7' }) },
  ],
  [
    '302 to a login with two cookies',
    (response) =>
      response.writeHead(302, { location: 'https://login.example/?back=1', 'set-cookie': ['state=1', 'nonce=2'] }).end(),
    {
      status: 302,
      headers: expect.objectContaining({ location: 'https://login.example/?back=1', 'set-cookie': ['state=1', 'nonce=2'] }),
    },
  ],
  [
    '307 with a relative location',
    (response) => response.writeHead(307, { location: '/login' }).end(),
    { status: 307, headers: expect.objectContaining({ location: '/login' }) },
  ],
  ['304', (response) => response.writeHead(304).end(), { status: 304, body: '' }],
  [
    '403 with a body that is too long',
    (response) => response.writeHead(403, { 'content-type': 'text/html' }).end('x'.repeat(1_001)),
    { status: 403, body: '', headers: expect.not.objectContaining({ 'content-type': 'text/html' }) },
  ],
  [
    '403 with a body that is too long, in pieces',
    (response) => {
      response.writeHead(403).write('x'.repeat(600))
      setImmediate(() => response.end('x'.repeat(600)))
    },
    { status: 403, body: '' },
  ],
  [
    '403 with a body of the limit',
    (response) => response.writeHead(403).end('x'.repeat(1_000)),
    { status: 403, body: 'x'.repeat(1_000) },
  ],
]
const failures: typeof refusals = [
  ['500', (response) => response.writeHead(500, { 'x-hidden': '1' }).end('a stack trace'), {}],
  ['503', (response) => response.writeHead(503, { 'retry-after': '99' }).end('a stack trace'), {}],
  ['a reset', (response) => response.destroy(), {}],
  ['no HTTP', (response) => response.socket?.end('hello\r\n\r\n'), {}],
  ['nothing', () => undefined, {}],
  ['half a head', (response) => response.socket?.write('HTTP/1.1 200 OK\r\nx'), {}],
  ['half a body', (response) => response.writeHead(403, { 'content-length': '100' }).write('half'), {}],
]

describe('a response', () => {
  test.each(refusals)('%s', async (_, respond, expected) => {
    const edge = await startEdge({ orders: { maxBodyBytes: 1_000 } })
    edge.respond = (_question, response) => respond(response)
    const result = await edge.send('orders/1')
    expect(result).toMatchObject(expected)
    expect(JSON.stringify(result)).not.toContain('x-hidden')
  })

  test('that comes too late, is not HTTP or an error of the service means 503, or passes with failOpen', async () => {
    const options = { timeoutMs: 400, forwardHeaders: ['x-user'] }
    const edge = await startEdge({ orders: options, open: { ...options, failOpen: true } })
    for (const [name, respond] of failures) {
      edge.respond = (_question, response) => respond(response)
      const headers = ['x-user', 'forged', 'accept', 'application/json']
      const [closed, open] = await Promise.all([edge.send('orders/1', { headers }), edge.send('open/1', { headers })])
      expect([name, closed.status, open.status]).toEqual([name, 503, 200])
      expect(closed.headers['content-type']).toBe('application/problem+json')
      expect(JSON.stringify(closed)).not.toMatch(/x-hidden|stack|99/)
      expect(open.received).not.toHaveProperty('x-user')
    }
    edge.respond = (_, response) => void response.end()
    await eventually(async () => expect((await edge.send('orders/1')).status).toBe(200), 20_000)
  })

  test('of a service that was ended means 503, or passes with failOpen', async () => {
    const edge = await startEdge({ orders: {}, service: { url: 'service://auth/check' }, open: { failOpen: true } })
    await edge.kill()
    const results = await Promise.all(['orders/1', 'service/1', 'open/1'].map((route) => edge.send(route)))
    expect(results.map(({ status }) => status)).toEqual([503, 503, 200])
    await eventually(() => expect(edge.identities).toEqual([undefined, undefined, undefined]), 20_000)
  })
})

test('a redirect of a service that is found by its name goes to the client, with each cookie', async () => {
  const edge = await startEdge({ service: { url: 'service://auth/check' } })
  edge.respond = (_, response) => void response.writeHead(302, { location: '/login', 'set-cookie': ['state=1', 'nonce=2'] }).end()
  const { status, headers } = await edge.send('service/1')
  expect([status, headers.location, headers['set-cookie']]).toEqual([302, '/login', ['state=1', 'nonce=2']])
  expect(edge.questions).toHaveLength(1)
})

test('chosen fields of the response replace those of the client, and no other field does', async () => {
  const edge = await startEdge({
    orders: { forwardHeaders: ['X-User', 'x-groups', 'x-missing', 'authorization'], identityHeader: 'X-User' },
  })
  edge.respond = ({ headers }, response) =>
    void response
      .writeHead(200, {
        'x-user': 'alice',
        'x-groups': ['a', 'b'],
        authorization: `internal ${headers.authorization}`,
        'x-secret': '1',
      })
      .end()
  const forged = ['x-user', 'x_user', 'X-Groups', 'x-missing', 'x_missing', 'x-kept'].flatMap((name) => [name, 'forged'])
  const { received } = await edge.send('orders/1', { headers: ['authorization', 'Bearer a', ...forged] })
  expect(received).toMatchObject({
    'x-user': 'alice',
    'x-groups': 'a, b',
    authorization: 'internal Bearer a',
    'x-kept': 'forged',
  })
  for (const name of ['x_user', 'x-missing', 'x_missing', 'x-secret']) expect(received).not.toHaveProperty(name)
  await eventually(() => expect(edge.identities).toEqual(['alice']), 20_000)
})

test('cookies of an accepted request are added to its response on request', async () => {
  const edge = await startEdge({ orders: { responseCookies: true }, plain: {}, hidden: { clientHeaders: ['location'] } })
  edge.respond = (_, response) => void response.writeHead(200, { 'set-cookie': ['sid=1', 'b=2'] }).end()
  expect((await edge.send('orders/1')).headers['set-cookie']).toEqual(['own=1', 'sid=1', 'b=2'])
  expect((await edge.send('plain/1')).headers['set-cookie']).toEqual(['own=1'])
  edge.respond = (_, response) => void response.writeHead(302, { location: '/login', 'set-cookie': ['sid=1'] }).end('text')
  const { status, headers } = await edge.send('hidden/1')
  expect([status, headers.location, headers['set-cookie'], headers['content-type']]).toEqual([
    302,
    '/login',
    undefined,
    undefined,
  ])
})

describe('a decision', () => {
  const bearer = (name: string): { headers: string[] } => ({ headers: ['authorization', `Bearer ${name}`] })
  const cache = { ttlMs: 3_600_000 }

  /** Statuses of requests in turn, and how often the service was asked. */
  async function run(
    edge: Edge,
    requests: readonly (readonly [string, Parameters<Edge['send']>[1]?])[],
  ): Promise<[string, number]> {
    const before = edge.questions.length
    const statuses: number[] = []
    for (const [route, init] of requests) statuses.push((await edge.send(route, init)).status)
    return [statuses.join(), edge.questions.length - before]
  }

  test('is asked for every request by default', async () => {
    const edge = await startEdge({ orders: {} })
    expect(
      await run(edge, [
        ['orders/1', bearer('a')],
        ['orders/1', bearer('a')],
      ]),
    ).toEqual(['200,200', 2])
  })

  test('is kept for the same request only', async () => {
    const edge = await startEdge({
      orders: { cache },
      one: { cache: { ...cache, ignorePath: true } },
      key: { cache: { ...cache, headers: ['x-key'] } },
    })
    edge.respond = ({ headers }, response) => void response.writeHead(headers.authorization === 'Bearer a' ? 200 : 403).end('no')
    expect(
      await run(edge, [
        ['orders/1', bearer('a')],
        ['orders/1', bearer('a')],
      ]),
    ).toEqual(['200,200', 1])
    expect(
      await run(edge, [
        ['orders/1', bearer('b')],
        ['orders/1', bearer('b')],
      ]),
    ).toEqual(['403,403', 1])
    expect(await run(edge, [['orders/1'], ['orders/2', bearer('a')], ['orders/1?x', bearer('a')]])).toEqual(['403,200,200', 3])
    expect(await run(edge, [['orders/1', { ...bearer('a'), method: 'DELETE' }]])).toEqual(['200', 1])
    const elsewhere = { headers: [...bearer('a').headers, 'x-forwarded-for', '203.0.113.7'] }
    expect(
      await run(edge, [
        ['orders/1', elsewhere],
        ['orders/1', elsewhere],
      ]),
    ).toEqual(['200,200', 1])
    expect(
      await run(edge, [
        ['one/1', bearer('a')],
        ['one/2', { ...bearer('a'), method: 'POST' }],
      ]),
    ).toEqual(['200,200', 1])
    expect(
      await run(edge, [
        ['key/1', bearer('a')],
        ['key/1', { headers: ['x-key', '1', ...bearer('a').headers] }],
        ['key/1', { headers: ['x-key', '1'] }],
      ]),
    ).toEqual(['200,200,200', 2])
  })

  test('comes with its fields and its body', async () => {
    const edge = await startEdge({ orders: { cache, forwardHeaders: ['x-user'] } })
    edge.respond = ({ headers }, response) =>
      void (headers.authorization
        ? response.writeHead(200, { 'x-user': 'alice' }).end()
        : response.writeHead(401, { 'www-authenticate': 'Basic' }).end('log in'))
    for (let count = 0; count < 2; count++) {
      expect((await edge.send('orders/1', { headers: ['authorization', 'a', 'x-user', 'forged'] })).received).toMatchObject({
        'x-user': 'alice',
      })
      expect(await edge.send('orders/1')).toMatchObject({ status: 401, body: 'log in', headers: { 'www-authenticate': 'Basic' } })
    }
    expect(edge.questions).toHaveLength(2)
  })

  test('is not kept longer than its time, and no more of them than the limit', async () => {
    const edge = await startEdge({ orders: { cache: { ttlMs: 50 } }, few: { cache: { ...cache, maxEntries: 2 } } })
    await edge.send('orders/1')
    await eventually(async () => {
      await edge.send('orders/1')
      expect(edge.questions.length).toBeGreaterThan(1)
    }, 20_000)
    expect(await run(edge, [['few/1'], ['few/2'], ['few/3'], ['few/1'], ['few/1']])).toEqual(['200,200,200,200,200', 4])
  })

  test.each<readonly [string, (response: ServerResponse) => void]>([
    ['with cookies', (response) => response.writeHead(200, { 'set-cookie': 'a=b' }).end()],
    ['with no-store', (response) => response.writeHead(200, { 'cache-control': 'no-store' }).end()],
    ['that redirects', (response) => response.writeHead(302, { location: '/login' }).end()],
    ['that failed', (response) => response.writeHead(500).end()],
  ])('%s is not kept', async (_, respond) => {
    const edge = await startEdge({ orders: { cache } })
    edge.respond = (_question, response) => respond(response)
    expect((await run(edge, [['orders/1'], ['orders/1']]))[1]).toBe(2)
  })
})

const url = 'http://127.0.0.1:9000/check'
test.each<readonly [Readonly<Record<string, unknown>>, string]>([
  [{ url: undefined }, 'url'],
  [{ url: '/check' }, 'url'],
  [{ url: 'ftp://auth.example' }, 'url'],
  [{ url: 'http://user:hidden@auth.example' }, 'url'],
  [{ url: 'service://auth/check' }, 'url'],
  [{ requestHeaders: 'cookie' }, 'requestHeaders'],
  [{ requestHeaders: ['content-length'] }, 'requestHeaders[0]'],
  [{ requestHeaders: ['a b'] }, 'requestHeaders[0]'],
  [{ forwardHeaders: ['x-user', 'host'] }, 'forwardHeaders[1]'],
  [{ forwardHeaders: ['X-Forwarded-For'] }, 'forwardHeaders[0]'],
  [{ forwardHeaders: ['x_user'] }, 'forwardHeaders[0]'],
  [{ clientHeaders: ['transfer-encoding'] }, 'clientHeaders[0]'],
  [{ clientHeaders: ['content-encoding'] }, 'clientHeaders[0]'],
  [{ identityHeader: '' }, 'identityHeader'],
  [{ responseCookies: 1 }, 'responseCookies'],
  [{ timeoutMs: 0 }, 'timeoutMs'],
  [{ maxBodyBytes: -1 }, 'maxBodyBytes'],
  [{ failOpen: 'yes' }, 'failOpen'],
  [{ cache: {} }, 'cache.ttlMs'],
  [{ cache: { ttlMs: 1, headers: ['a b'] } }, 'cache.headers[0]'],
  [{ cache: { ttlMs: 1, maxEntries: 0 } }, 'cache.maxEntries'],
  [{ cache: { ttlMs: 1, path: true } }, 'cache.path'],
  [{ timeout: 1 }, 'timeout'],
] satisfies [Readonly<Record<string, unknown>> | Partial<AuthForwardOptions>, string][])(
  'the options with %j are refused for %s',
  (changes, field) => {
    const create = () => createAuthForwardFilter()({ url, ...changes }, { route: 'orders', path: '' })
    expect(create).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
    expect(create).not.toThrow(/hidden/)
  },
)

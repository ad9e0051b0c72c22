import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { CallFallback, ServiceClient, ServiceClientOptions } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

type LastSuccess = CallFallback & { readonly kind: 'last-success' }
type Fields = Record<string, string | string[]>

let world: World
let isDown: boolean
beforeEach(() => {
  world = createWorld()
  isDown = false
})
afterEach(async () => {
  vi.useRealTimers()
  await world.close()
})

async function serve(fields: Fields = {}, status: number = 200): Promise<void> {
  await world.serve((request, response) => {
    if (isDown) response.writeHead(503).end()
    else
      response.writeHead(status, fields).end(`for ${request.headers['x-variant'] ?? request.headers['authorization'] ?? 'all'}`)
  })
}
function clientWith(setting: Partial<LastSuccess> = {}, options: Partial<ServiceClientOptions> = {}): ServiceClient {
  return world.client({ fallback: { kind: 'last-success', ...setting } as LastSuccess, retry: false, ...options })
}
async function read(client: ServiceClient, headers: Record<string, string> = {}, path: string = '/a') {
  const response = await client.get('orders', path, { headers })
  return { status: response.status, headers: response.headers, text: await response.text() }
}
/** The response that the second caller receives after the first caller has read one. */
async function handedOn(client: ServiceClient, first: Record<string, string>, second: Record<string, string> = first) {
  await read(client, first)
  isDown = true
  return read(client, second)
}

describe('without a key, no response of one caller is given to another', () => {
  test.each<[string, Record<string, string>]>([
    ['authorization', { authorization: 'Bearer ann' }],
    ['cookie', { cookie: 'session=ann' }],
    ['proxy-authorization', { 'proxy-authorization': 'Basic x' }],
    ['an API key', { 'x-api-key': 'ann' }],
    ['an access token', { 'x-access-token': 'ann' }],
    ['a user id', { 'x-user-id': 'ann' }],
    ['the user that a proxy found', { 'x-forwarded-user': 'ann' }],
    ['a remote user', { 'remote-user': 'ann' }],
    ['a tenant', { 'x-tenant': 'ann' }],
    ['a client certificate', { 'x-forwarded-client-cert': 'By=ann' }],
    ['range', { range: 'bytes=0-1' }],
    ['cache-control: no-store', { 'cache-control': 'no-store' }],
  ])('request with %s', async (_, headers) => {
    await serve()
    const client = clientWith()
    expect(await handedOn(client, headers)).toMatchObject({ status: 503 })
    expect(await read(client)).toMatchObject({ status: 503 })
    isDown = false
    expect(await handedOn(client, {}, headers)).toMatchObject({ status: 503 })
  })

  test.each<[string, Fields, number?]>([
    ['no-store', { 'cache-control': 'no-store' }],
    ['private', { 'cache-control': 'max-age=60, Private' }],
    ['private fields', { 'cache-control': 'private="x-user"' }],
    ['two lines', { 'cache-control': ['max-age=60', 'no-store'] }],
    ['no-cache', { 'cache-control': 'no-cache' }],
    ['must-revalidate', { 'cache-control': 'max-age=1,must-revalidate' }],
    ['pragma', { pragma: 'no-cache' }],
    ['vary: *', { vary: '*' }],
    ['206', { 'content-range': 'bytes 0-3/9' }, 206],
  ])('response with %s', async (_, fields, status) => {
    await serve(fields, status)
    expect(await handedOn(clientWith(), {})).toMatchObject({ status: 503 })
  })

  test('Vary: the fields that it names must be the same', async () => {
    await serve({ vary: 'X-Variant, accept-encoding' })
    const client = clientWith()
    expect(await handedOn(client, { 'x-variant': 'ann' }, { 'x-variant': 'bob' })).toMatchObject({ status: 503 })
    expect(await read(client)).toMatchObject({ status: 503 })
    expect(await read(client, { 'x-variant': 'ann' })).toMatchObject({ status: 200, text: 'for ann' })
  })

  test('a user field added by an attempt interceptor is respected', async () => {
    await serve()
    const client = clientWith(
      {},
      {
        interceptors: {
          attempt: [
            (attempt, next) => {
              attempt.headers['authorization'] = 'Bearer ann'
              return next()
            },
          ],
        },
      },
    )
    expect(await handedOn(client, {})).toMatchObject({ status: 503 })
  })

  test('a request for a validated response gets no stale one', async () => {
    await serve()
    const client = clientWith()
    for (const fields of [{ 'cache-control': 'no-cache' }, { pragma: 'no-cache' }])
      expect(await handedOn(client, {}, fields)).toMatchObject({ status: 503 })
    expect(await read(client, { 'user-agent': 'Mozilla/5.0', accept: '*/*' })).toMatchObject({ status: 200 })
  })

  test('another host is another request', async () => {
    await serve()
    expect(await handedOn(clientWith(), { host: 'a.test' }, { host: 'b.test' })).toMatchObject({ status: 503 })
  })
})

test('a shared response is returned with its age, and without fields of a connection or caller', async () => {
  await serve({
    'cache-control': 'public, max-age=60',
    'set-cookie': ['a=1', 'b=2'],
    connection: 'keep-alive, x-hop',
    'x-hop': '1',
    'keep-alive': 'timeout=5',
    age: '7',
    etag: '"1"',
  })
  const { status, headers, text } = await handedOn(clientWith(), {})
  expect({ status, text }).toEqual({ status: 200, text: 'for all' })
  expect(headers).toMatchObject({ etag: '"1"', age: '7' })
  for (const name of ['set-cookie', 'x-hop', 'keep-alive', 'connection', 'transfer-encoding'])
    expect(headers[name]).toBeUndefined()
})

test('with a key only the key separates callers, and set-cookie is never returned', async () => {
  await serve({ 'cache-control': 'private, no-store', vary: 'authorization', 'set-cookie': 'session=1' })
  const client = clientWith({ key: ({ headers }) => headers['authorization'] ?? '' })
  await read(client, { authorization: 'ann' })
  const { status, headers, text } = await handedOn(client, { authorization: 'bob' }, { authorization: 'ann' })
  expect([status, text, headers['set-cookie']]).toEqual([200, 'for ann', undefined])
  expect(await read(client, { authorization: 'eve' })).toMatchObject({ status: 503 })
  expect(await read(client, { authorization: 'ann', range: 'bytes=0-1' })).toMatchObject({ status: 503 })
})

test('memory is bounded in bytes and in time', async () => {
  await serve()
  const client = clientWith({ maxTotalBytes: 300, idleMs: 1_000 })
  vi.useFakeTimers({ toFake: ['performance'] })
  for (const path of ['/1', '/2', '/3', '/4', '/5', '/6']) await read(client, {}, path)
  isDown = true
  expect((await read(client, {}, '/1')).status).toBe(503)
  expect((await read(client, {}, '/6')).status).toBe(200)
  vi.advanceTimersByTime(1_001)
  expect((await read(client, {}, '/6')).status).toBe(503)
})

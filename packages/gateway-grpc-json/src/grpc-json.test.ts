import { toBinary } from '@bufbuild/protobuf'
import { StringValueSchema } from '@bufbuild/protobuf/wkt'
import * as grpc from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { createGrpcJson } from './index.ts'
import { descriptors, type Handle, startShop } from './testing/start-shop.ts'

const order = {
  name: 'o-1',
  lines: [{ sku: 'a', count: '2' }],
  size: 'SMALL',
  placedAt: '2026-01-02T03:04:05Z',
  labels: { a: 'b' },
}
const respond: Handle = () => order

interface Row {
  readonly request: readonly [method: string, path: string, body?: unknown]
  readonly rpc: string
  readonly json: unknown
}

const rows: Readonly<Record<string, Row>> = {
  'a variable of several segments': {
    request: ['GET', '/v1/shelves/1/orders/2'],
    rpc: 'Get',
    json: { name: 'shelves/1/orders/2' },
  },
  'an additional binding': { request: ['GET', '/v1/orders/7'], rpc: 'Get', json: { name: '7' } },
  'an escaped value': { request: ['GET', '/v1/orders/a%20%C3%A4'], rpc: 'Get', json: { name: 'a ä' } },
  'the rest of the path': { request: ['GET', '/v1/archive/a/b/c'], rpc: 'Archive', json: { name: 'a/b/c' } },
  'query parameters of every type': {
    request: [
      'GET',
      '/v1/orders/7?page_size=10&filter.open_only=true&filter.tags=a&filter.tags=b&filter.most=3&filter.mask=name,size&filter.size=SMALL&filter.least=1.5&filter.since=2026-01-02T03:04:05Z',
    ],
    rpc: 'Get',
    json: {
      name: '7',
      pageSize: 10,
      filter: {
        openOnly: true,
        tags: ['a', 'b'],
        most: 3,
        mask: 'name,size',
        size: 'SMALL',
        least: 1.5,
        since: '2026-01-02T03:04:05Z',
      },
    },
  },
  'names in lower camel case': {
    request: ['GET', '/v1/orders/7?pageSize=10&filter.openOnly=true'],
    rpc: 'Get',
    json: { name: '7', pageSize: 10, filter: { openOnly: true } },
  },
  'an enum by number': {
    request: ['GET', '/v1/orders/7?filter.size=1'],
    rpc: 'Get',
    json: { name: '7', filter: { size: 'SMALL' } },
  },
  'the whole body': { request: ['POST', '/v1/orders', order], rpc: 'Create', json: order },
  'an empty body': { request: ['POST', '/v1/orders'], rpc: 'Create', json: {} },
  'a field as the body, and the path before it': {
    request: ['PATCH', '/v1/shelves/1/orders/9?dry_run=true', { ...order, name: 'other' }],
    rpc: 'Update',
    json: { shelf: 'shelves/1', order: { ...order, name: '9' }, dryRun: true },
  },
  'a verb': { request: ['POST', '/v1/orders/7:cancel'], rpc: 'Cancel', json: { name: '7' } },
  'a method of HTTP of its own': { request: ['OPTIONS', '/v1/probe'], rpc: 'Probe', json: {} },
}

function ask(url: string, [method, path, body]: Row['request'], headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${url}${path}`, { method, headers, ...(body !== undefined && { body: text }) })
}

describe('a request in JSON is a call of gRPC', () => {
  test.each(Object.entries(rows))('%s', async (_, { request, rpc, json }) => {
    const { url, received } = await startShop(respond)
    const response = await ask(url, request, { 'x-tenant': 'a', 'content-type': 'application/json' })
    expect([response.status, response.headers.get('content-type'), await response.json()]).toEqual([
      200,
      'application/json',
      order,
    ])
    expect(received.map((one) => [one.method, one.json])).toEqual([[rpc, json]])
    expect(received[0]?.metadata.get('x-tenant')).toEqual(['a'])
  })
})

test.each<[string, Row['request'], string]>([
  ['a body that is not valid JSON', ['POST', '/v1/orders', '{"name":'], 'The body is not valid JSON.'],
  ['a body that is not an object', ['POST', '/v1/orders', '[1]'], 'The request is not a valid shop.Order.'],
  ['an unknown field', ['POST', '/v1/orders', { secret: 'x' }], 'The request is not a valid shop.Order.'],
  ['a value of another type', ['POST', '/v1/orders', { name: 5 }], 'The field shop.Order.name is not valid.'],
  ['an unknown parameter', ['GET', '/v1/orders/7?secret=x'], 'The query parameter "secret" is not a field of shop.GetRequest.'],
  ['a parameter of another type', ['GET', '/v1/orders/7?page_size=x'], 'The value of "page_size" does not fit its type.'],
  [
    'a boolean of another form',
    ['GET', '/v1/orders/7?filter.open_only=1'],
    'The value of "filter.open_only" does not fit its type.',
  ],
  ['a parameter for a message', ['GET', '/v1/orders/7?filter=x'], 'The value of "filter" does not fit its type.'],
  [
    'a parameter for a field of the path',
    ['GET', '/v1/orders/7?name=x'],
    'The query parameter "name" is not a field of shop.GetRequest.',
  ],
  [
    'a parameter beside a whole body',
    ['POST', '/v1/orders?name=x', {}],
    'The query parameter "name" is not a field of shop.Order.',
  ],
  ['a body that the rule does not have', ['POST', '/v1/orders/7:cancel', {}], 'The request must not have a body.'],
  ['a prototype', ['POST', '/v1/orders', '{"__proto__":{"name":"x"}}'], 'The request is not a valid shop.Order.'],
])('%s is refused, and no value is repeated', async (_, request, message) => {
  const { url, received } = await startShop(respond)
  const response = await ask(url, request)
  expect([response.status, await response.json()]).toEqual([400, { code: 3, message, details: [] }])
  expect(received).toEqual([])
})

test('a body that is too long, and one that is encoded, are refused', async () => {
  const { url } = await startShop(respond, { maxRequestBytes: 20 })
  expect((await ask(url, ['POST', '/v1/orders', { name: 'a'.repeat(20) }])).status).toBe(413)
  expect((await ask(url, ['POST', '/v1/orders', '{}'], { 'content-encoding': 'gzip' })).status).toBe(400)
})

test('a path without a rule is not of the protocol', async () => {
  const { url } = await startShop(respond)
  expect((await ask(url, ['GET', '/v1/hidden'])).status).toBe(404)
  expect((await ask(url, ['POST', '/shop.Shop/Hidden'])).status).toBe(404)
})

// https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
test.each([
  [1, 499],
  [2, 500],
  [3, 400],
  [4, 504],
  [5, 404],
  [6, 409],
  [7, 403],
  [8, 429],
  [9, 400],
  [10, 409],
  [11, 400],
  [12, 501],
  [13, 500],
  [15, 500],
  [16, 401],
])('the status %i of a call is the status %i of HTTP', async (code, status) => {
  const { url } = await startShop(() => ({ code, details: 'für später' }))
  const response = await ask(url, ['GET', '/v1/orders/7'])
  expect([response.status, await response.json()]).toEqual([status, { code, message: 'für später', details: [] }])
})

test('details of a status are passed on, if the descriptors have their types', async () => {
  const any = (type: string, value: Uint8Array): Buffer => {
    const url = Buffer.from(`type.googleapis.com/${type}`)
    return Buffer.concat([Buffer.from([10, url.length]), url, Buffer.from([18, value.length]), value])
  }
  const part = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([26, bytes.length]), bytes])
  const known = any('google.rpc.ErrorInfo', Buffer.from([10, 1, 65]))
  const details = Buffer.concat([Buffer.from([8, 5]), part(known), part(any('shop.Unknown', Buffer.alloc(0)))])
  const { url } = await startShop(() => {
    const metadata = new grpc.Metadata()
    metadata.set('grpc-status-details-bin', details)
    return { code: 5, details: 'no', metadata }
  })
  const response = await ask(url, ['GET', '/v1/orders/7'])
  expect(await response.json()).toEqual({
    code: 5,
    message: 'no',
    details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'A' }],
  })
})

test('a field of the response can be the body', async () => {
  const { url } = await startShop(() => ({ orders: [order] }))
  expect(await (await ask(url, ['GET', '/v1/orders'])).json()).toEqual([order])
})

test('defaults and names of fields are written as the options say', async () => {
  const { url } = await startShop(() => ({ placedAt: '2026-01-02T03:04:05Z' }), { emitDefaults: true, protoFieldNames: true })
  expect(await (await ask(url, ['GET', '/v1/orders/7'])).json()).toEqual({
    name: '',
    lines: [],
    size: 'SIZE_UNKNOWN',
    placed_at: '2026-01-02T03:04:05Z',
    seal: '',
    labels: {},
  })
})

test('unknown fields and parameters can be ignored', async () => {
  const { url, received } = await startShop(respond, { ignoreUnknownFields: true })
  expect((await ask(url, ['POST', '/v1/orders?a=b', { name: 'x', c: 'd' }])).status).toBe(200)
  expect(received[0]?.json).toEqual({ name: 'x' })
})

describe('a stream of messages', () => {
  const names = Array.from({ length: 50 }, (_, index) => ({ name: `o-${index}` }))

  test('is lines of JSON', async () => {
    const { url } = await startShop(() => ({ messages: names }))
    const response = await ask(url, ['GET', '/v1/orders:watch'])
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
    expect(
      (await response.text())
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(names)
  })

  test('is events for a client that accepts them, and ends with its error', async () => {
    const { url } = await startShop(() => ({ messages: [{ name: 'a' }], status: { code: 9, details: 'later' } }))
    const response = await ask(url, ['GET', '/v1/orders:watch'], { accept: 'text/event-stream' })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const error = { error: { code: 9, message: 'later', details: [] } }
    expect(await response.text()).toBe(`data: {"name":"a"}\n\nevent: error\ndata: ${JSON.stringify(error)}\n\n`)
  })

  test('that fails before its first message is a response with the status', async () => {
    const { url } = await startShop(() => ({ messages: [], status: { code: 5, details: 'no' } }))
    const response = await ask(url, ['GET', '/v1/orders:watch'])
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/json'])
    expect(await response.json()).toEqual({ code: 5, message: 'no', details: [] })
  })
})

test('a client that leaves cancels the call', async () => {
  let cancelled = false
  const { url, received } = await startShop((_received, call) => {
    call.on('cancelled', () => {
      cancelled = true
    })
    return undefined
  })
  const abort = new AbortController()
  const response = fetch(`${url}/v1/orders/7`, { signal: abort.signal }).catch(() => undefined)
  await expect.poll(() => received.length).toBe(1)
  abort.abort()
  await response
  await expect.poll(() => cancelled).toBe(true)
})

test.each<[string, Uint8Array | undefined, string]>([
  ['nothing', undefined, 'descriptors'],
  ['bytes that are not descriptors', Buffer.from('not descriptors'), 'descriptors'],
  [
    'descriptors without annotations',
    toBinary(StringValueSchema, { $typeName: 'google.protobuf.StringValue', value: '' }),
    'descriptors',
  ],
])('%s as descriptors is refused', (_, given, field) => {
  expect(() => createGrpcJson({ descriptors: given as Uint8Array })).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field }),
  )
})

test.each([
  { maxRequestBytes: 0 },
  { maxMessageBytes: -1 },
  { emitDefaults: 1 },
  { protoFieldNames: 'a' },
  { ignoreUnknownFields: 0 },
  { other: 1 },
])('the option %o is refused', (options) => {
  const [field] = Object.keys(options)
  expect(() => createGrpcJson({ descriptors, ...options } as never)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field }),
  )
})

import { describe, expect, test } from 'vitest'
import { startEdge } from '../testing/http1-edge.ts'
import { exchangeRaw, RawClient } from '../testing/raw-client.ts'

const get = (fields: string, target = '/orders', version = '1.1') => `GET ${target} HTTP/${version}\r\n${fields}\r\n`
const post = (fields: string, body: string) => `POST /orders HTTP/1.1\r\nhost: shop\r\n${fields}\r\n${body}`

describe('a request whose end or target is in doubt is refused, and its connection closed', () => {
  test.each<[string, number, string]>([
    ['content-length and transfer-encoding', 400, post('content-length: 3\r\ntransfer-encoding: chunked\r\n', '0\r\n\r\n')],
    ['a transfer-encoding beside chunked', 501, post('transfer-encoding: gzip, chunked\r\n', '0\r\n\r\n')],
    ['two transfer-encodings', 400, post('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', '0\r\n\r\n')],
    ['transfer-encoding in HTTP/1.0', 400, 'POST / HTTP/1.0\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two hosts', 400, get('host: shop\r\nhost: bank\r\n')],
    ['no host', 400, get('')],
    ['no host beside an absolute target', 400, get('', 'http://shop/orders')],
    ['a host with a path', 400, get('host: shop/x\r\n')],
    ['a host with a user', 400, get('host: ada@shop\r\n')],
    ['an empty host', 400, get('host: \r\n')],
    ['a fragment', 400, get('host: shop\r\n', '/a#b')],
    ['a path above the root', 400, get('host: shop\r\n', '/../etc/passwd')],
    ['an escaped slash', 400, get('host: shop\r\n', '/a%2fb')],
    ['an escaped null character', 400, get('host: shop\r\n', '/a%00b')],
    ['a backslash', 400, get('host: shop\r\n', '/a\\b')],
    ['two lengths', 400, post('content-length: 3\r\ncontent-length: 3\r\n', 'abc')],
    ['a length with a sign', 400, post('content-length: +3\r\n', 'abc')],
    ['a bare line feed', 400, 'GET / HTTP/1.1\nhost: shop\n\n'],
    ['a space before the colon', 400, get('host: shop\r\nx-a : 1\r\n')],
    ['an obsolete fold', 400, get('host: shop\r\nx-a: 1\r\n 2\r\n')],
    ['a null character in a value', 400, get('host: shop\r\nx-a: a\0b\r\n')],
    ['a chunk size with a bare line feed', 400, post('transfer-encoding: chunked\r\n', '3\nabc\r\n0\r\n\r\n')],
    ['CONNECT', 405, 'CONNECT shop:443 HTTP/1.1\r\nhost: shop:443\r\n\r\n'],
    ['a head above the limit', 431, get(`host: shop\r\nx-a: ${'a'.repeat(20_000)}\r\n`)],
    ['something else than HTTP', 400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'],
  ])('%s: %i', async (_, status, request) => {
    let requests = 0
    const edge = await startEdge({ service: (_request, response) => response.end(`hello ${++requests}`) })
    const text = await exchangeRaw(edge.port, request)
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(text).toMatch(/\r\nconnection: close\r\n/i)
    expect(text).toContain('x-gateway-error: SD_INVALID')
    expect(requests).toBe(0)
    const [record] = await edge.recorded(1)
    expect(record?.outcome.status).toBe(status)
    expect(edge.openExchanges.size).toBe(0)
  })
})

describe('a request that is understood, but not served, leaves the connection open', () => {
  test.each<[string, number, string]>([
    ['TRACE', 405, 'TRACE / HTTP/1.1\r\nhost: shop\r\n\r\n'],
    ['a long path', 414, get('host: shop\r\n', `/${'a'.repeat(200)}`)],
    ['too many fields', 431, get(`host: shop\r\n${'x-a: 1\r\n'.repeat(20)}`)],
    ['another expectation', 417, get('host: shop\r\nexpect: cake\r\n')],
    ['a service without instances', 503, get('host: shop\r\n', '/nobody')],
  ])('%s: %i', async (_, status, request) => {
    const edge = await startEdge({ limits: { pathLength: 200, headers: 20 } })
    const client = new RawClient(edge.port).send(request)
    await client.until(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*\r\n\r\n[\\s\\S]*\n`))
    client.send(get('host: shop\r\n'))
    expect(await client.until('hello')).toContain('HTTP/1.1 200 OK')
  })

  test('20 fields and 200 characters are within the limits of 20 and 200', async () => {
    const edge = await startEdge({
      limits: { pathLength: 200, headers: 20 },
      service: (request, response) => response.end(`${request.headers['x-a']}`),
    })
    const client = new RawClient(edge.port).send(get(`host: shop\r\n${'x-a: 1\r\n'.repeat(19)}`, `/${'a'.repeat(199)}`))
    await client.until(Array(19).fill('1').join(', '))
  })
})

test('the absolute form counts instead of the host field, and is sent on in origin form', async () => {
  const edge = await startEdge({ service: (request, response) => response.end(`${request.headers.host} ${request.url}`) })
  const text = await exchangeRaw(edge.port, get('host: bank\r\nconnection: close\r\n', 'http://Shop:80/orders?a=1'))
  expect(text).toContain('shop:80 /orders?a=1')
})

test('fields of the connection and those that it names are not sent on, twins of protected fields neither', async () => {
  const edge = await startEdge({ service: (request, response) => response.end(JSON.stringify(request.rawHeaders)) })
  const text = await exchangeRaw(
    edge.port,
    get(
      `host: shop
connection: close, x-secret, host, authorization, x-forwarded-for
x-secret: 1
authorization: Basic YTpi
upgrade: h2c
http2-settings: AAMAAABkAAQAAP__
x_forwarded_for: 6.6.6.6
content_length: 5
cookie: a=1
cookie: b=2
x-request-timeout-ms: 5
`.replaceAll('\n', '\r\n'),
    ),
  )
  const fields: string[] = JSON.parse(text.slice(text.indexOf('\r\n\r\n')))
  const sent = new Map(fields.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), fields[index + 1]]] : [])))
  expect(sent.get('authorization')).toBe('Basic YTpi')
  expect(sent.get('cookie')).toBe('a=1; b=2')
  expect(sent.get('host')).toBe('shop')
  expect(sent.get('x-forwarded-for')).toBe('127.0.0.1')
  expect(sent.get('x-request-timeout-ms')).not.toBe('5')
  expect([...sent.keys()].filter((name) => /secret|upgrade|settings|_/.test(name))).toEqual([])
})

test('without a protocol for it, an upgrade is ignored', async () => {
  const edge = await startEdge()
  const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  const text = await new RawClient(edge.port).send(get(`host: shop\r\n${upgrade}`)).until('hello')
  expect(text).toContain('HTTP/1.1 200 OK')
})

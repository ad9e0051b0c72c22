import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFetchTransport, createHttp1Transport, type MethodRequestOptions } from '../index.ts'
import { createWorld, type World } from '../testing/world.ts'

/** Whether a request is complete. */
function isWhole(text: string): boolean {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const body = rest.join('\r\n\r\n')
  if (!text.includes('\r\n\r\n')) return false
  if (/^transfer-encoding: *chunked/im.test(head)) return body.endsWith('0\r\n\r\n') || body === '0' || text.endsWith('0\r\n\r\n')
  const length = /^content-length: *(\d+)/im.exec(head)
  return length === null || Buffer.byteLength(body, 'latin1') >= Number(length[1])
}

let world: World
let server: Server
let received: string[]
beforeEach(async () => {
  world = createWorld()
  received = []
  const sockets = new Set<Socket>()
  server = createServer((socket) => {
    sockets.add(socket)
    let text = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (!isWhole(text)) return
      received.push(text)
      text = ''
      socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n')
    })
  })
  server.on('close', () => sockets.clear())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await world.register((server.address() as AddressInfo).port)
})
afterEach(async () => {
  await world.close()
  server.close()
})

/** Fields that Node's fetch adds to each request, whatever its options. */
const addedByFetch = /^(?:accept|accept-language|accept-encoding|sec-fetch-mode|user-agent): .*$/

interface Parsed {
  readonly line: string
  readonly fields: readonly string[]
  readonly body: string
}

/** Field names are case-insensitive, and the order of different fields has no meaning (RFC 9110, 5.1 and 5.3). */
function parse(text: string): Parsed {
  const end = text.indexOf('\r\n\r\n')
  const [line = '', ...rows] = text.slice(0, end).split('\r\n')
  const fields = rows.map((row) => row.replace(/^[^:]*/, (name) => name.toLowerCase()))
  // The remaining time differs between the two requests.
  const fixed = fields.map((row) => row.replace(/^(x-request-timeout-ms): \d+$/, '$1: n'))
  const body = text.slice(end + 4)
  return { line, fields: fixed.toSorted(), body: /^transfer-encoding: chunked/m.test(fixed.join('\n')) ? unchunk(body) : body }
}

/** The sender may divide a body into chunks as it likes. */
function unchunk(text: string): string {
  let body = ''
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n', at)
    const length = Number.parseInt(text.slice(at, end), 16)
    if (length === 0 || Number.isNaN(length)) break
    body += text.slice(end + 2, end + 2 + length)
    at = end + 4 + length
  }
  return body
}

type Call = () => { path?: string } & MethodRequestOptions

const calls: Readonly<Record<string, Call>> = {
  'a GET': () => ({}),
  'a path with every kind of character': () => ({ path: "/a-b_c~d/%20;x=1,2/@:!$&'()*+?q=a%26b&c=d+e&f='g'&h=/?" }),
  'a path that is percent-encoded on the way': () => ({ path: '/é/日本/{id}/a|b/c\\d?q="ü"' }),
  'two slashes at the start': () => ({ path: '//other.example/x' }),
  'a query': () => ({ query: { a: 'b c', list: ['1', 'é'], flag: true } }),
  'header fields': () => ({ headers: { 'X-Mixed-Case': 'Value', 'x-empty': '', 'x-latin': 'é', 'x-blanks': '  a b\t' } }),
  'a list in a field': () => ({ headers: { cookie: 'a=1; b=2', 'x-list': 'a, b' } }),
  'its own host': () => ({ headers: { host: 'orders.internal' } }),
  'te and a trailer': () => ({ headers: { te: 'trailers', trailer: 'x-sum' } }),
  'an authorization': () => ({ headers: { authorization: 'Bearer token' } }),
  'the fields of a connection': () => ({
    headers: {
      connection: 'close, x-a',
      'keep-alive': 'timeout=5',
      upgrade: 'h2c',
      'transfer-encoding': 'chunked',
      expect: '100-continue',
    },
  }),
  'a POST without a body': () => ({ method: 'POST' }),
  'a DELETE': () => ({ method: 'DELETE' }),
  'a HEAD': () => ({ method: 'HEAD' }),
  'an OPTIONS': () => ({ method: 'OPTIONS' }),
  'another method': () => ({ method: 'M-SEARCH' }),
  'a lower-case patch': () => ({ method: 'patch', body: 'x' }),
  'a text': () => ({ method: 'POST', body: 'héllo' }),
  'an empty text': () => ({ method: 'POST', body: '' }),
  JSON: () => ({ method: 'PUT', json: { a: [1, 'é'] } }),
  bytes: () => ({ method: 'POST', body: new Uint8Array([0, 255, 13, 10]) }),
  'a view of a buffer': () => ({ method: 'POST', body: new Uint8Array([1, 2, 3, 4]).subarray(1, 3) }),
  'an ArrayBuffer': () => ({ method: 'POST', body: new Uint8Array([65, 66]).buffer }),
  'form fields': () => ({ method: 'POST', body: new URLSearchParams({ a: 'b c', d: 'é' }) }),
  'a body with its own type': () => ({ method: 'POST', body: '<a/>', headers: { 'Content-Type': 'text/xml' } }),
  'a content-length that fits': () => ({ method: 'POST', body: 'hello', headers: { 'content-length': '5' } }),
  'a content-length that does not': () => ({ method: 'POST', body: 'hello', headers: { 'content-length': '9' } }),
  'a content-length without a body': () => ({ headers: { 'content-length': '9' } }),
  'a generator': () => ({
    method: 'POST',
    body: (async function* () {
      yield Buffer.from('a')
      yield Buffer.from('bc')
    })(),
  }),
  'a stream of Node': () => ({ method: 'POST', body: Readable.from(['a', 'b']) }),
  'a web stream': () => ({ method: 'POST', body: new Blob(['web']).stream() }),
  'an empty stream': () => ({ method: 'POST', body: Readable.from([]) }),
  'a deadline': () => ({ timeoutMs: 5_000 }),
}

/** The cases that differ, and which transport is right. All other cases are the same. */
const stated: Readonly<Record<string, (undici: Parsed, fetched: Parsed) => void>> = {
  // fetch derives it from the URL and drops the field without a word; undici is right (RFC 9110, 7.2: it is the sender's to choose).
  'its own host': (undici, fetched) => {
    expect(undici.fields).toContain('host: orders.internal')
    expect(fetched.fields.some((row) => /^host: 127\.0\.0\.1:\d+$/.test(row))).toBe(true)
  },
}

/** Fields of the client's own transport that differ from those of undici. */
const ownDifference: Readonly<Record<string, string>> = {
  // undici closes the connection after each HEAD. The response has no body, so that nothing is in doubt.
  'a HEAD': 'connection: keep-alive',
  // undici waits for the first read, and knows then that the stream is empty.
  'an empty stream': 'transfer-encoding: chunked',
}

describe('all transports send the same request', () => {
  test.each(Object.entries(calls))('for %s', async (name, make) => {
    for (const transport of [undefined, createFetchTransport(), createHttp1Transport()]) {
      const client = world.client(transport ? { transport } : {})
      const { path = '/', ...options } = make()
      await (await client.request('orders', path, options)).bytes()
    }
    const [undici, fetched, http1] = received.map(parse) as [Parsed, Parsed, Parsed]
    if (ownDifference[name]) expect(http1.fields).toContain(ownDifference[name])
    else expect(http1).toEqual(undici)
    const own = undici.fields.filter((row) => addedByFetch.test(row))
    const fields = fetched.fields.filter((row) => own.includes(row) || !addedByFetch.test(row))
    if (stated[name]) stated[name](undici, fetched)
    else expect({ ...fetched, fields }).toEqual(undici)
  })
})

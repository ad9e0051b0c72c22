import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { gzipSync } from 'node:zlib'
import { createEndpoint, createServiceInstance, type Endpoint } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFetchTransport, createHttp1Transport, createUndiciTransport, type Transport } from '../index.ts'
import { send } from '../testing/recording-handler.ts'

let reply: { readonly bytes: string | Buffer; readonly close: boolean }
let server: Server
let endpoint: Endpoint
let transports: Record<'undici' | 'fetch' | 'http1', Transport>
beforeEach(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      if (reply.close) socket.end(reply.bytes)
      else socket.write(reply.bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  endpoint = createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: '127.0.0.1', port }))
  transports = { undici: createUndiciTransport(), fetch: createFetchTransport(), http1: createHttp1Transport() }
})
afterEach(async () => {
  for (const transport of Object.values(transports)) await transport.close()
  server.close()
})

/** The result: status and body, and the code of the error, if it failed. */
type Result = readonly [status: number | undefined, text: string, code?: string]

async function ask(name: 'undici' | 'fetch' | 'http1', method: string): Promise<Result> {
  const { recorded } = send(transports[name], endpoint, { method, path: '/', headers: {}, body: null })
  await recorded.ended
  const { status, text, error } = recorded
  return error ? [status, text, error.code] : [status, text]
}

const gzipped = gzipSync('hello')
const withBody = (head: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(head), body])
const ok = 'HTTP/1.1 200 OK\r\n'
const five = 'content-length: 5\r\n\r\nhello'

interface Row {
  readonly bytes: string | Buffer
  readonly method?: string
  /** Whether the server closes the connection after it. @default false */
  readonly close?: boolean
  readonly undici: Result
  /** @default the same */
  readonly fetch?: Result
  /** Result of the client's own transport. @default the same */
  readonly http1?: Result
  /** Result of curl 7.88. @default the same */
  readonly curl?: Result | 'failed'
}

const good: Result = [200, 'hello']
const rows: Readonly<Record<string, Row>> = {
  'a plain response': { bytes: `${ok}${five}`, undici: good },
  'early hints first': { bytes: `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${ok}${five}`, undici: good },
  'processing, twice': { bytes: `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(2)}${ok}${five}`, undici: good },
  'an unknown informational response': { bytes: `HTTP/1.1 199 Odd\r\n\r\n${ok}${five}`, undici: good },
  'early hints, and then nothing': {
    bytes: 'HTTP/1.1 103 Early Hints\r\n\r\n',
    close: true,
    undici: [undefined, '', 'SD_UNAVAILABLE'],
  },
  // curl and http1 are right to continue (RFC 9110, 15.2: a client must be able to parse it). undici, and fetch, which is based on it,
  // end the connection.
  'an unrequested continue': {
    bytes: `HTTP/1.1 100 Continue\r\n\r\n${ok}${five}`,
    undici: [undefined, '', 'SD_UNAVAILABLE'],
    http1: good,
    curl: good,
  },
  'an unrequested change of protocol': {
    bytes: 'HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n',
    undici: [undefined, '', 'SD_UNAVAILABLE'],
    http1: [undefined, '', 'SD_MALFORMED'],
  },
  'an empty content-encoding': { bytes: `${ok}content-encoding: \r\n${five}`, undici: good },
  'the content-encoding identity': { bytes: `${ok}content-encoding: identity\r\n${five}`, undici: good },
  'an unknown content-encoding': { bytes: `${ok}content-encoding: x-odd\r\n${five}`, undici: good },
  gzip: {
    bytes: withBody(`${ok}content-encoding: gzip\r\ncontent-length: ${gzipped.length}\r\n\r\n`, gzipped),
    undici: [200, gzipped.toString()],
    fetch: good,
  },
  'GZIP in upper case': {
    bytes: withBody(`${ok}content-encoding: GZIP\r\ncontent-length: ${gzipped.length}\r\n\r\n`, gzipped),
    undici: [200, gzipped.toString()],
    fetch: good,
  },
  'gzip that is not valid': { bytes: `${ok}content-encoding: gzip\r\n${five}`, undici: good, fetch: [200, '', 'SD_UNAVAILABLE'] },
  'gzip without a body': { bytes: `${ok}content-encoding: gzip\r\ncontent-length: 0\r\n\r\n`, undici: [200, ''] },
  'Chunked in mixed case': { bytes: `${ok}Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, undici: good },
  'chunks with extensions': { bytes: `${ok}transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n`, undici: good },
  trailers: { bytes: `${ok}transfer-encoding: chunked\r\ntrailer: x\r\n\r\n5\r\nhello\r\n0\r\nx: 1\r\n\r\n`, undici: good },
  'no chunks at all': { bytes: `${ok}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`, undici: [200, ''] },
  'a body until the connection ends': { bytes: `${ok}Connection: Close\r\n\r\nhello`, close: true, undici: good },
  'HTTP/1.0 until the connection ends': { bytes: 'HTTP/1.0 200 OK\r\n\r\nhello', close: true, undici: good },
  'an empty body': { bytes: `${ok}content-length: 0\r\n\r\n`, undici: [200, ''] },
  '204': { bytes: 'HTTP/1.1 204 No Content\r\n\r\n', undici: [204, ''] },
  '304 with a length': { bytes: 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n', undici: [304, ''] },
  'HEAD with a length': { method: 'HEAD', bytes: `${ok}content-length: 5\r\n\r\n`, undici: [200, ''] },
  'HEAD with chunks': { method: 'HEAD', bytes: `${ok}transfer-encoding: chunked\r\n\r\n`, undici: [200, ''] },
  '205 without a body': { bytes: 'HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n', undici: [205, ''] },
  'no reason phrase': { bytes: `HTTP/1.1 200 \r\n${five}`, undici: good },
  'no reason phrase and no space': { bytes: `HTTP/1.1 200\r\n${five}`, undici: good },
  'the status 599': { bytes: `HTTP/1.1 599 Odd\r\n${five}`, undici: [599, 'hello'] },
  'the status 999': { bytes: `HTTP/1.1 999 Odd\r\n${five}`, undici: [999, 'hello'] },
  'a redirect, which is not followed': { bytes: `HTTP/1.1 302 Found\r\nlocation: /x\r\n${five}`, undici: [302, 'hello'] },
  'an empty field': { bytes: `${ok}x-empty:\r\n${five}`, undici: good },
  'a field in Latin-1': { bytes: Buffer.from(`${ok}x-latin: é\r\n${five}`, 'latin1'), undici: good },
  // RFC 9110, 8.6 allows both.
  'the same length twice': {
    bytes: `${ok}content-length: 5\r\n${five}`,
    undici: [undefined, '', 'SD_MALFORMED'],
    curl: good,
  },
  // RFC 9112, 6.3: an error. curl takes the last one.
  'two lengths': { bytes: `${ok}content-length: 6\r\n${five}`, undici: [undefined, '', 'SD_MALFORMED'], curl: good },
  // RFC 9112, 6.3: chunks are in effect, and it ought to be an error; as one it can't smuggle a response in.
  'a length and chunks': {
    bytes: `${ok}transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    undici: [undefined, '', 'SD_MALFORMED'],
    curl: good,
  },
  // RFC 9110, 8.6: only digits. curl is lenient.
  'a length with a sign': { bytes: `${ok}content-length: +5\r\n\r\nhello`, undici: [undefined, '', 'SD_MALFORMED'], curl: good },
  'a length that is not a number': { bytes: `${ok}content-length: five\r\n\r\nhello`, undici: [undefined, '', 'SD_MALFORMED'] },
  'a truncated body': { bytes: `${ok}content-length: 9\r\n\r\nhello`, close: true, undici: [200, 'hello', 'SD_UNAVAILABLE'] },
  'truncated chunks': {
    bytes: `${ok}transfer-encoding: chunked\r\n\r\n9\r\nhello`,
    close: true,
    undici: [200, 'hello', 'SD_UNAVAILABLE'],
  },
  'chunks without their end': {
    bytes: `${ok}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`,
    close: true,
    undici: [200, 'hello', 'SD_UNAVAILABLE'],
  },
  'a chunk whose size is not a number': {
    bytes: `${ok}transfer-encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n`,
    undici: [200, '', 'SD_MALFORMED'],
  },
  'a NUL in a field': { bytes: `${ok}x-a: a\0b\r\n${five}`, undici: [undefined, '', 'SD_MALFORMED'] },
  // RFC 9112, 5.1: not a field. curl is lenient.
  'a space before the colon': { bytes: `${ok}x-a : b\r\n${five}`, undici: [undefined, '', 'SD_MALFORMED'], curl: good },
  // curl is right (RFC 9112, 5.2: replace it with a space). Node's parser rejects it.
  'a folded field': { bytes: `${ok}x-a: b\r\n c\r\n${five}`, undici: [undefined, '', 'SD_MALFORMED'], curl: good },
  // RFC 9112, 2.2 allows both.
  'line ends without CR': {
    bytes: 'HTTP/1.1 200 OK\ncontent-length: 5\n\nhello',
    undici: [undefined, '', 'SD_MALFORMED'],
    curl: good,
  },
  'not HTTP': { bytes: 'SSH-2.0-OpenSSH_9.6\r\n', undici: [undefined, '', 'SD_MALFORMED'] },
  'unrequested HTTP/2': { bytes: Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), undici: [undefined, '', 'SD_MALFORMED'] },
  'no response': { bytes: '', close: true, undici: [undefined, '', 'SD_UNAVAILABLE'] },
  // RFC 9112, 8: incomplete. curl accepts what has arrived.
  'half a head': { bytes: `${ok}content-le`, close: true, undici: [undefined, '', 'SD_UNAVAILABLE'], curl: [200, ''] },
  // Node's limit, 16 KiB.
  'a head of 20 KiB': {
    bytes: `${ok}x-large: ${'a'.repeat(20_000)}\r\n${five}`,
    undici: [undefined, '', 'SD_TOO_LARGE'],
    curl: good,
  },
}

/** Result of the platform's fetch: status and text, or a failure. */
async function fetchWithPlatform(method: string): Promise<Result | 'failed'> {
  try {
    const response = await fetch(endpoint.origin, { method, redirect: 'manual', signal: AbortSignal.timeout(10_000) })
    return [response.status, await response.text()]
  } catch {
    return 'failed'
  }
}

/** What curl makes of it, without decompression: status and text, or that it failed. Run with SD_CURL=1, because curl differs by version. */
async function fetchWithCurl(method: string): Promise<Result | 'failed'> {
  const args = ['--silent', '--max-time', '5', '--output', '-', '--write-out', '\n%{http_code}', endpoint.origin]
  if (method === 'HEAD') args.unshift('--head')
  const { stdout, failed } = await new Promise<{ stdout: string; failed: boolean }>((resolve) => {
    execFile('curl', args, { encoding: 'utf8' }, (error, text) => resolve({ stdout: text, failed: error !== null }))
  })
  const at = stdout.lastIndexOf('\n')
  return failed ? 'failed' : [Number(stdout.slice(at + 1)), method === 'HEAD' ? '' : stdout.slice(0, at)]
}

describe("over the platform's fetch", () => {
  test.each(Object.entries(rows))('%s is the same as over the fetch transport', async (_, row) => {
    const { bytes, method = 'GET', close = false, undici } = row
    reply = { bytes, close }
    const ours = row.fetch ?? undici
    expect(await fetchWithPlatform(method)).toEqual(ours.length === 3 ? 'failed' : ours)
  })
})

describe.each(process.env['SD_CURL'] ? ['curl'] : [])('over %s', () => {
  test.each(Object.entries(rows))(
    '%s',
    async (_, { bytes, method = 'GET', close = false, undici, curl = undici.length === 3 ? 'failed' : undici }) => {
      reply = { bytes, close }
      expect(await fetchWithCurl(method)).toEqual(curl)
    },
  )
})

describe.each(['undici', 'fetch', 'http1'] as const)('over %s', (name) => {
  test.each(Object.entries(rows))('%s', async (_, { bytes, method = 'GET', close = false, ...expected }) => {
    reply = { bytes, close }
    expect(await ask(name, method)).toEqual(expected[name] ?? expected.undici)
  })
})

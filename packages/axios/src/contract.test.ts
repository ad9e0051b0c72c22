import { Readable } from 'node:stream'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import axios, { type AxiosInstance, type AxiosProgressEvent, type AxiosResponse } from 'axios'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLocalClient, createServiceAxios, type LocalClient } from './testing/both-adapters.ts'
import { type EchoServer, startEchoServer } from './testing/echo-server.ts'
import { type Outcome, outcomeOf } from './testing/outcome.ts'

// The contract: the same configuration has the same result as with axios' own adapter, on the same server.

let stock: EchoServer
let other: EchoServer
let local: LocalClient
beforeAll(async () => {
  stock = await startEchoServer()
  other = await startEchoServer()
  local = await createLocalClient({ stock: stock.port, other: other.port, gone: 9 })
})
afterAll(async () => {
  await local.close()
  stock.close()
  other.close()
})

/** Where a case sends its requests. */
interface Hosts {
  readonly stock: string
  readonly other: string
  readonly gone: string
}

type Case = readonly [what: string, send: (http: AxiosInstance, hosts: Hosts) => Promise<AxiosResponse>]

const form = (): FormData => {
  const made = new FormData()
  made.append('name', 'nüts')
  made.append('file', new Blob(['1,2'], { type: 'text/csv' }), 'a.csv')
  return made
}
/** A stream whose parts come one by one. */
const streamOf = (...parts: readonly (string | Buffer)[]): Readable =>
  Readable.from(
    (async function* () {
      for (const part of parts) {
        yield Buffer.from(part)
        await setImmediate()
      }
    })(),
  )
const abortIn = (ms: number): AbortSignal => {
  const controller = new AbortController()
  setTimeout(() => controller.abort(), ms)
  return controller.signal
}

const requests: readonly Case[] = [
  ['params', (http) => http.get('/echo', { params: { a: 1, b: ['x', 'y'], c: { d: 'é' }, e: null, f: new Date(0) } })],
  ['paramsSerializer', (http) => http.get('/echo?z=1', { params: { a: [1, 2] }, paramsSerializer: { indexes: null } })],
  ['an absolute URL', (http, hosts) => http.get(`${hosts.stock}/echo`)],
  ['a relative URL without a slash', (http) => http.get('echo')],
  ['an absolute URL that is not allowed', (http) => http.get('http://x/echo', { allowAbsoluteUrls: false })],
  ['a hash', (http) => http.get('/echo#part')],
  ['header fields', (http) => http.get('/echo', { headers: { 'X-A': 'b', Cookie: 'c=d', Accept: 'text/plain' } })],
  ['a header field without a value', (http) => http.get('/echo', { headers: { 'User-Agent': false, 'X-A': undefined } })],
  ['auth', (http) => http.get('/echo', { auth: { username: 'ann', password: 's3cret' } })],
  ['auth in the URL', (http, hosts) => http.get(`${hosts.stock.replace('//', '//ann:b%40b@')}/echo`)],
  ['HEAD', (http) => http.head('/echo')],
  ['OPTIONS', (http) => http.options('/echo')],
  ['DELETE with a body', (http) => http.delete('/echo', { data: { a: 1 } })],
  ['a POST without a body', (http) => http.post('/echo')],
  ['JSON', (http) => http.put('/echo', { a: [1, { b: 'é' }] })],
  ['text', (http) => http.patch('/echo', 'plain é', { headers: { 'Content-Type': 'text/plain' } })],
  ['URLSearchParams', (http) => http.post('/echo', new URLSearchParams({ a: '1', b: 'é' }))],
  ['a Buffer', (http) => http.post('/echo', Buffer.from([1, 2, 255]))],
  ['an ArrayBuffer', (http) => http.post('/echo', Uint8Array.of(1, 2).buffer)],
  ['a Blob', (http) => http.post('/echo', new Blob(['x'], { type: 'text/csv' }))],
  ['a form', (http) => http.post('/echo', form())],
  ['postForm', (http) => http.postForm('/echo', { a: { b: 1 }, c: [1, 2] })],
  [
    'a form, URL-encoded',
    (http) => http.post('/echo', { a: { b: 1 } }, { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }),
  ],
  ['a stream', (http) => http.post('/echo', streamOf('first ', 'last'))],
  ['a stream of known length', (http) => http.post('/echo', streamOf('first ', 'last'), { headers: { 'Content-Length': '10' } })],
  ['a large body', (http) => http.post('/echo', Buffer.alloc(3_000_000, 1))],
  ['a large stream', (http) => http.post('/echo', streamOf(...Array.from({ length: 64 }, () => Buffer.alloc(65_536, 1))))],
  ['transformRequest', (http) => http.post('/echo', { a: 1 }, { transformRequest: [() => 'changed'] })],
]

const responses: readonly Case[] = [
  ['JSON that is malformed', (http) => http.get('/malformed')],
  [
    'JSON that is malformed, strictly',
    (http) => http.get('/malformed', { responseType: 'json', transitional: { silentJSONParsing: false } }),
  ],
  ['responseType text', (http) => http.get('/text', { responseType: 'text' })],
  ['responseType arraybuffer', (http) => http.get('/bytes/5', { responseType: 'arraybuffer' })],
  ['responseType stream', (http) => http.get('/bytes/300000', { responseType: 'stream' })],
  ['responseType blob', (http) => http.get('/text', { responseType: 'blob' })],
  ['responseEncoding', (http) => http.get('/latin', { responseEncoding: 'latin1' })],
  ['transformResponse', (http) => http.get('/text', { transformResponse: (data: string) => data.length })],
  ...['gzip', 'br', 'deflate'].map((encoding): Case => [encoding, (http) => http.get(`/encoded/${encoding}`)]),
  ['gzip as a stream', (http) => http.get('/encoded/gzip', { responseType: 'stream' })],
  ['decompress: false', (http) => http.get('/encoded/gzip', { decompress: false, responseType: 'arraybuffer' })],
  ...[204, 304, 400, 404, 500, 503].map((status): Case => [`status ${status}`, (http) => http.get(`/status/${status}`)]),
  ['validateStatus', (http) => http.get('/status/404', { validateStatus: (status) => status === 404 })],
  ['validateStatus that refuses', (http) => http.get('/status/200', { validateStatus: () => false })],
  ['validateStatus null', (http) => http.get('/status/500', { validateStatus: null })],
  ['maxContentLength', (http) => http.get('/bytes/1000', { maxContentLength: 999 })],
  ['maxContentLength that suffices', (http) => http.get('/bytes/1000', { maxContentLength: 1_000, responseType: 'arraybuffer' })],
  ['maxContentLength of a stream', (http) => http.get('/bytes/1000', { maxContentLength: 999, responseType: 'stream' })],
  ['maxBodyLength', (http) => http.post('/echo', 'x'.repeat(100), { maxBodyLength: 99 })],
  ['maxBodyLength of a stream', (http) => http.post('/echo', streamOf('x'.repeat(60), 'x'.repeat(60)), { maxBodyLength: 99 })],
  ['a data URL', (http) => http.get('data:text/plain,hello')],
]

const redirects: readonly Case[] = [
  ...[301, 302, 303, 307, 308].map((status): Case => [`a POST, ${status}`, (http) => http.post(`/to/${status}?/echo`, { a: 1 })]),
  ['a GET, relative', (http) => http.get('/to/302?../echo', { headers: { 'X-A': 'b' } })],
  ['a stream, 307', (http) => http.post('/to/307?/echo', streamOf('first ', 'last'))],
  ['maxRedirects: 0', (http) => http.get('/to/302?/echo', { maxRedirects: 0 })],
  ['maxRedirects: 0, accepted', (http) => http.get('/to/302?/echo', { maxRedirects: 0, validateStatus: null })],
  ['maxRedirects: 0, a POST', (http) => http.post('/echo', { a: 1 }, { maxRedirects: 0 })],
  ['maxRedirects: 2', (http) => http.get('/loop', { maxRedirects: 2 })],
  ['a loop', (http) => http.get('/loop')],
  ['auth, on the same host', (http) => http.get('/to/302?/echo', { auth: { username: 'ann', password: 'b' } })],
  [
    'credentials, to another host',
    (http, { other: host }) =>
      http.get(`/to/302?${encodeURIComponent(`${host}/echo`)}`, {
        auth: { username: 'ann', password: 'b' },
        headers: { Cookie: 'c=d', 'X-A': 'kept' },
      }),
  ],
  [
    'sensitiveHeaders, to another host',
    (http, { other: host }) =>
      http.get(`/to/302?${encodeURIComponent(`${host}/echo`)}`, { headers: { 'X-A': 'b' }, sensitiveHeaders: ['x-a'] } as object),
  ],
  ['to the host itself, absolute', (http, { stock: host }) => http.get(`/to/302?${encodeURIComponent(`${host}/echo`)}`)],
  [
    'beforeRedirect',
    (http) =>
      http.get('/to/302?/echo', {
        beforeRedirect(options, { statusCode }) {
          options['headers']['x-a'] = `from ${statusCode}`
        },
      }),
  ],
  [
    'beforeRedirect that throws',
    (http) =>
      http.get('/to/302?/echo', {
        beforeRedirect() {
          throw new Error('not there')
        },
      }),
  ],
  ['to what is not HTTP', (http) => http.get(`/to/302?${encodeURIComponent('ftp://x/a')}`)],
]

const failures: readonly Case[] = [
  ['timeout', (http) => http.get('/after/5000', { timeout: 100 })],
  ['timeout, clarified', (http) => http.get('/after/5000', { timeout: 100, transitional: { clarifyTimeoutError: true } })],
  ['timeoutErrorMessage', (http) => http.get('/after/5000', { timeout: 100, timeoutErrorMessage: 'too slow' })],
  ['timeout without redirects', (http) => http.get('/after/5000', { timeout: 100, maxRedirects: 0 })],
  ['timeout until the head of a stream', (http) => http.get('/after/5000', { timeout: 100, responseType: 'stream' })],
  ['timeout that suffices', (http) => http.get('/after/50', { timeout: 5_000 })],
  ['a signal', (http) => http.get('/after/5000', { signal: abortIn(50) })],
  ['a signal that was aborted', (http) => http.get('/echo', { signal: AbortSignal.abort() })],
  ['a signal, while the body arrives', (http) => http.get('/pause/5000', { signal: abortIn(100) })],
  [
    'a signal, while a stream is read',
    async (http) => {
      const response = await http.get('/pause/5000', { signal: abortIn(200), responseType: 'stream' })
      return response
    },
  ],
  [
    'a signal, while the body is sent',
    (http) =>
      http.post(
        '/echo',
        Readable.from(
          (async function* () {
            yield Buffer.from('first ')
            await delay(5_000, undefined, { ref: false })
          })(),
        ),
        { signal: abortIn(100) },
      ),
  ],
  [
    'CancelToken',
    (http) => {
      const source = axios.CancelToken.source()
      setTimeout(() => source.cancel('no longer needed'), 50)
      return http.get('/after/5000', { cancelToken: source.token })
    },
  ],
  ['a body that breaks off', (http) => http.get('/cut')],
  ['a body that breaks off, as a stream', (http) => http.get('/cut', { responseType: 'stream' })],
  ['a data type that can not be sent', (http) => http.post('/echo', 7, { transformRequest: [(data) => data] })],
  [
    'a stream that fails',
    (http) =>
      http.post(
        '/echo',
        Readable.from(
          (async function* () {
            yield Buffer.from('first ')
            throw new Error('the disk is full')
          })(),
        ),
      ),
  ],
  ['an unsupported protocol', (http) => http.get('ftp://x/a')],
  ['an invalid URL', (http) => http.get('http://', { baseURL: '' })],
]

/** Replaces what only one of the two can know. */
function normalize(outcome: Outcome, hosts: Hosts): unknown {
  const text = JSON.stringify(outcome, (_, value: unknown) =>
    Buffer.isBuffer(value) || (typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer')
      ? `bytes ${JSON.stringify(value)}`
      : value,
  )
  return JSON.parse(
    text
      .replaceAll(new RegExp(`${new URL(hosts.stock).host}/?(?=[/"])`, 'g'), 'STOCK')
      .replaceAll(new RegExp(`${new URL(hosts.other).host}/?(?=[/"])`, 'g'), 'OTHER'),
  )
}

async function compare(send: Case[1]): Promise<void> {
  const direct: Hosts = {
    stock: `http://127.0.0.1:${stock.port}`,
    other: `http://127.0.0.1:${other.port}`,
    gone: 'http://127.0.0.1:9',
  }
  const byName: Hosts = { stock: 'http://stock', other: 'http://other', gone: 'http://gone' }
  const [wanted, got] = await Promise.all([
    outcomeOf(send(axios.create({ baseURL: `${direct.stock}/` }), direct)),
    outcomeOf(send(createServiceAxios(local.client), byName)),
  ])
  expect(normalize(got, byName)).toEqual(normalize(wanted, direct))
}

test.each(requests)('a request with %s is sent alike', (_, send) => compare(send))
test.each(responses)('a response with %s is read alike', (_, send) => compare(send))
test.each(redirects)('a redirect of %s ends alike', (_, send) => compare(send))
test.each(failures)('a failure by %s is reported alike', (_, send) => compare(send))

test.each([
  ['ECONNREFUSED', '/echo', 'gone'],
  ['ECONNRESET', '/reset', 'stock'],
] as const)('a connection that fails has the code %s', async (code, path, host) => {
  const port = host === 'gone' ? 9 : stock.port
  await expect(axios.get(`http://127.0.0.1:${port}${path}`)).rejects.toMatchObject({ name: 'Error', code })
  await expect(createServiceAxios(local.client).get(`http://${host}${path}`)).rejects.toMatchObject({
    name: 'AxiosError',
    code,
    cause: { code: 'SD_UNAVAILABLE' },
  })
})

test('progress of upload and download is reported alike', async () => {
  async function follow(http: AxiosInstance): Promise<unknown> {
    const seen: Record<'up' | 'down', AxiosProgressEvent[]> = { up: [], down: [] }
    await http.post('/echo', Buffer.alloc(500_000, 1), { onUploadProgress: (event) => seen.up.push(event) })
    await http.get('/bytes/500000', { onDownloadProgress: (event) => seen.down.push(event) })
    const last = (events: AxiosProgressEvent[]): unknown => {
      const { loaded, total, progress, lengthComputable, upload, download } = events.at(-1) as AxiosProgressEvent
      return { loaded, total, progress, lengthComputable, upload, download }
    }
    return { up: last(seen.up), down: last(seen.down) }
  }
  const wanted = await follow(axios.create({ baseURL: `http://127.0.0.1:${stock.port}/` }))
  expect(await follow(createServiceAxios(local.client))).toEqual(wanted)
})

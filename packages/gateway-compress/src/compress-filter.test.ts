import { randomBytes } from 'node:crypto'
import { get, type IncomingMessage, type OutgoingHttpHeaders, type RequestListener } from 'node:http'
import { connect } from 'node:http2'
import zlib from 'node:zlib'
import { startEdge } from '@sd/test-edge'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type CompressOptions, type CompressParts, createCompressFilter } from './index.ts'
import { type RawResponse, send } from './testing/send.ts'

const text = JSON.stringify(Array.from({ length: 2_000 }, (_, id) => ({ id, name: `order ${id}` })))
const decoders: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: zlib.gunzipSync,
  br: zlib.brotliDecompressSync,
  zstd: zlib.zstdDecompressSync,
  deflate: zlib.inflateSync,
}

function decode({ headers, body }: RawResponse): string {
  return (decoders[headers['content-encoding'] ?? ''] as (body: Buffer) => Buffer)(body).toString()
}

function start(respond: RequestListener, options: CompressOptions = {}, parts?: CompressParts): Promise<string> {
  return startEdge(respond, [{ filters: [{ filter: 'compress', ...options }] }], { compress: createCompressFilter(parts) })
}

/** A service whose responses have these fields. */
function serving(headers: OutgoingHttpHeaders, status = 200, body = text): RequestListener {
  return (_, response) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
}

const accepting = (accepted: string, headers: Readonly<Record<string, string>> = {}) => ({
  headers: { 'accept-encoding': accepted, ...headers },
})

describe('a response', () => {
  test.each(['gzip', 'br', 'zstd', 'deflate'] as const)('is encoded by %s, with an exact content', async (coding) => {
    const url = await start(serving({ 'content-length': text.length, 'accept-ranges': 'bytes' }), { encodings: [coding] })
    const response = await send(url, accepting(coding))
    expect(response.headers).toMatchObject({ 'content-encoding': coding, vary: 'accept-encoding' })
    expect(response.headers).not.toHaveProperty('content-length')
    expect(response.headers).not.toHaveProperty('accept-ranges')
    expect(response.body.length).toBeLessThan(text.length / 3)
    expect(decode(response) === text).toBe(true)
  })

  test('of 8 MB is encoded part by part', async () => {
    const part = zlib.gzipSync(text).toString('latin1').repeat(10)
    const count = Math.ceil(8_000_000 / part.length)
    const url = await start((_, response) => {
      response.setHeader('content-type', 'text/plain')
      let sent = 0
      const write = (): void => {
        if (sent++ === count) response.end()
        else if (response.write(part)) setImmediate(write)
        else response.once('drain', write)
      }
      write()
    })
    const response = await send(url, accepting('zstd'))
    expect(decode(response) === part.repeat(count)).toBe(true)
  })

  test('to HEAD has the fields of the one to GET', async () => {
    const url = await start(serving({ etag: '"1"', 'content-length': text.length }))
    const get = await send(url, accepting('gzip'))
    const head = await send(url, { method: 'HEAD', ...accepting('gzip') })
    const { date: _, 'transfer-encoding': __, ...fields } = get.headers
    expect(head.headers).toMatchObject({ 'content-encoding': 'gzip', etag: 'W/"1"', vary: 'accept-encoding' })
    expect(head.headers).not.toHaveProperty('content-length')
    expect(head.headers).toMatchObject({ ...fields, connection: head.headers.connection })
  })

  test('of the gateway itself is encoded too', async () => {
    const body = 'x'.repeat(2_000)
    const respond = { status: 200, headers: { 'content-type': 'text/plain' }, body }
    const url = await startEdge(() => {}, [{ respond, filters: [{ filter: 'compress' }] }], { compress: createCompressFilter() })
    expect(decode(await send(url, accepting('br')))).toBe(body)
  })
})

describe('a response is sent as it is', () => {
  test.each<[string, RequestListener, string?]>([
    ['with a coding of the service', serving({ 'content-encoding': 'gzip' }), 'gzip'],
    ['with no-transform', serving({ 'cache-control': 'public, No-Transform' })],
    ['with status 206', serving({ 'content-range': 'bytes 0-9/100' }, 206)],
    ['with a content-range', serving({ 'content-range': 'bytes */100' }, 416)],
    ['below minBytes', serving({ 'content-length': 1_000 }, 200, 'x'.repeat(1_000))],
    ['without a type', (_, response) => response.end(text)],
    ['of another type', serving({ 'content-type': 'image/png' })],
    ['of an archive whose type has a suffix', serving({ 'content-type': 'application/epub+zip' })],
    ['of gRPC', serving({ 'content-type': 'application/grpc+json' })],
    ['of gRPC-Web', serving({ 'content-type': 'application/grpc-web-text+proto' })],
    ['of events', serving({ 'content-type': 'text/event-stream' })],
    ['with a digest', serving({ 'content-digest': 'sha-256=:AAAA:' })],
    ['with status 204', (_, response) => response.writeHead(204, { 'content-type': 'text/plain' }).end()],
  ])('%s: it is the same for every client', async (_, respond, coding) => {
    const response = await send(await start(respond), accepting('gzip, br, zstd'))
    expect(response.headers['content-encoding']).toBe(coding)
    expect(response.headers).not.toHaveProperty('vary')
  })

  test.each<[string, CompressOptions, Readonly<Record<string, string>>, string?]>([
    ['accepts no coding', {}, {}],
    ['prefers no coding', {}, { 'accept-encoding': 'identity, gzip;q=0.5' }],
    ['asks for no-transform', {}, { 'accept-encoding': 'gzip', 'cache-control': 'no-transform' }],
    ['has an excluded cookie', { excludeCookies: ['sid'] }, { 'accept-encoding': 'gzip', cookie: 'a=b; sid=1' }],
    ['has an excluded path', { excludePaths: ['/account/*'] }, { 'accept-encoding': 'gzip' }, '/account/1?q=a'],
    ['has an excluded path itself', { excludePaths: ['/account/*'] }, { 'accept-encoding': 'gzip' }, '/account'],
    ['has an escaped path', { excludePaths: ['/account'] }, { 'accept-encoding': 'gzip' }, '/%61ccount'],
  ])('to a client that %s: another one may get another form', async (_, options, headers, path = '/') => {
    const response = await send(`${await start(serving({}), options)}${path}`, { headers })
    expect(response.headers).not.toHaveProperty('content-encoding')
    expect(response.headers.vary).toBe('accept-encoding')
    expect(response.body.toString() === text).toBe(true)
  })

  test.each([
    [{ cookie: 'xsid=1; sid2=2' }, '/accounts'],
    [{}, '/other/account/1'],
  ])('to no client with %j and %s', async (headers, path) => {
    const url = await start(serving({}), { excludeCookies: ['sid'], excludePaths: ['/account/*'] })
    const response = await send(`${url}${path}`, accepting('gzip', headers))
    expect(response.headers['content-encoding']).toBe('gzip')
  })

  test('while the limit of concurrent bodies is reached', async () => {
    const waiting: (() => void)[] = []
    const url = await start(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' }).write(text)
        waiting.push(() => response.end())
      },
      {},
      { concurrency: 1 },
    )
    const begun = Promise.withResolvers<void>()
    const first = send(url, { ...accepting('gzip'), onData: () => begun.resolve() })
    await begun.promise
    const second = send(url, accepting('gzip'))
    await expect.poll(() => waiting.length, { timeout: 20_000 }).toBe(2)
    for (const end of waiting.splice(0)) end()
    expect(decode(await first)).toBe(text)
    expect((await second).headers).not.toHaveProperty('content-encoding')
    const third = send(url, accepting('gzip'))
    await expect.poll(() => waiting.length, { timeout: 20_000 }).toBe(1)
    for (const end of waiting) end()
    expect(decode(await third)).toBe(text)
  })
})

test('the place of a body is free again when its client leaves', async () => {
  const url = await start(
    (request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      if (request.url === '/endless') response.write(text)
      else response.end(text)
    },
    {},
    { concurrency: 1 },
  )
  await new Promise<void>((resolve) => {
    const sent = get(`${url}/endless`, { ...accepting('gzip'), agent: false }, (response) => {
      response.on('error', () => {})
      response.once('data', () => sent.destroy())
      response.once('close', resolve)
    })
  })
  const codingNow = async () => (await send(url, accepting('gzip'))).headers['content-encoding']
  await expect.poll(codingNow, { timeout: 20_000 }).toBe('gzip')
})

test.each<['gzip' | 'br' | 'zstd', string]>([
  ['gzip', 'text/event-stream'],
  ['br', 'application/x-ndjson'],
  ['zstd', 'application/x-ndjson'],
])('each part of a stream in %s of %s arrives before the next is sent', async (coding, type) => {
  const seen: string[] = []
  let writeNext: (() => void) | undefined
  const url = await start(
    (_, response) => {
      response.setHeader('content-type', type)
      let next = 0
      writeNext = () => void (next < 3 ? response.write(`data: ${next++}\n\n`) : response.end())
      writeNext()
    },
    { types: ['text/event-stream', 'application/x-ndjson'] },
  )
  const decoder = { gzip: zlib.createGunzip, br: zlib.createBrotliDecompress, zstd: zlib.createZstdDecompress }[coding]()
  decoder.on('data', (chunk: Buffer) => {
    seen.push(chunk.toString())
    writeNext?.()
  })
  const response = await send(url, { ...accepting(coding), onData: (chunk) => void decoder.write(chunk) })
  expect(response.headers['content-encoding']).toBe(coding)
  expect(seen).toEqual(['data: 0\n\n', 'data: 1\n\n', 'data: 2\n\n'])
})

test('a client that does not read stops the service', async () => {
  const parts = 32
  const part = randomBytes(1_000_000)
  let sent = 0
  let isFull = () => false
  const url = await start((_, response) => {
    response.setHeader('content-type', 'text/plain')
    isFull = () => response.writableNeedDrain
    const write = (): void => {
      if (sent++ === parts) response.end()
      else if (response.write(part)) setImmediate(write)
      else response.once('drain', write)
    }
    write()
  })
  const response = await new Promise<IncomingMessage>((resolve) => get(url, { ...accepting('zstd'), agent: false }, resolve))
  await expect.poll(isFull).toBe(true)
  await new Promise(setImmediate)
  expect(sent).toBeLessThan(parts)
  const decoder = response.pipe(zlib.createZstdDecompress())
  let length = 0
  for await (const chunk of decoder) length += chunk.length
  expect(length).toBe(parts * part.length)
})

test('a client of HTTP/2 gets an encoded body too', async () => {
  const session = connect(await start(serving({})))
  onTestFinished(() => session.close())
  const stream = session.request({ ':path': '/', 'accept-encoding': 'br' })
  const chunks: Buffer[] = []
  let coding: unknown
  stream.on('response', (headers) => (coding = headers['content-encoding']))
  for await (const chunk of stream) chunks.push(chunk)
  expect(coding).toBe('br')
  expect(zlib.brotliDecompressSync(Buffer.concat(chunks)).toString() === text).toBe(true)
})

describe('an entity tag', () => {
  test.each([
    ['"1"', 'W/"1"'],
    ['W/"1"', 'W/"1"'],
  ])('%s of an encoded response becomes %s', async (tag, expected) => {
    const url = await start(serving({ etag: tag }))
    expect((await send(url, accepting('gzip'))).headers.etag).toBe(expected)
    expect((await send(url)).headers.etag).toBe(tag)
  })

  test.each([
    ['W/"1"', 'W/"1"', 'accept-encoding'],
    ['"0", W/"1"', 'W/"1"', 'accept-encoding'],
    ['"1"', '"1"', undefined],
    ['*', '"1"', undefined],
  ])('of a 304 to if-none-match: %s is %s, as the cache has it', async (condition, expected, vary) => {
    const url = await start((_, response) => response.writeHead(304, { etag: '"1"' }).end())
    const { status, headers } = await send(url, accepting('gzip', { 'if-none-match': condition }))
    expect([status, headers.etag, headers.vary]).toEqual([304, expected, vary])
  })

  test('in if-match is the strong one that the service has', async () => {
    const url = await start((request, response) => response.end(request.headers['if-match']))
    const { body } = await send(url, { method: 'PUT', headers: { 'if-match': 'W/"a,W/b", "c"' } })
    expect(body.toString()).toBe('"a,W/b", "c"')
  })
})

test.each([
  ['accept', 'accept, accept-encoding'],
  ['Accept-Encoding', 'Accept-Encoding'],
  ['*', '*'],
])('vary: %s of the service becomes %s', async (vary, expected) => {
  expect((await send(await start(serving({ vary })), accepting('gzip'))).headers.vary).toBe(expected)
})

import zlib from 'node:zlib'
import { startEdge } from '@sd/test-edge'
import { describe, expect, test } from 'vitest'
import { createCompressFilter, type DecompressOptions } from './index.ts'
import { type RawResponse, send } from './testing/send.ts'

const text = JSON.stringify(Array.from({ length: 5_000 }, (_, id) => ({ id })))
const body = Buffer.from(text)

/** A service that responds with what it received, and how often it was called with a complete body. */
async function start(decompress?: DecompressOptions): Promise<{ url: string; completed: string[] }> {
  const completed: string[] = []
  const url = await startEdge(
    async (request, response) => {
      try {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk)
        const received = Buffer.concat(chunks)
        completed.push(received.toString('latin1'))
        const { 'content-encoding': coding = '', 'content-length': length = '' } = request.headers
        response.writeHead(200, { 'x-coding': coding, 'x-length': length }).end(received)
      } catch {
        response.destroy()
      }
    },
    [{ filters: [{ filter: 'compress', ...(decompress && { decompress }) }] }],
    { compress: createCompressFilter({ concurrency: 4 }) },
  )
  return { url, completed }
}

const post = (
  url: string,
  coding: string,
  content: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawResponse> => send(url, { method: 'POST', headers: { 'content-encoding': coding, ...headers }, body: content })

describe('the body of a request', () => {
  test.each<[string, Buffer]>([
    ['gzip', zlib.gzipSync(body)],
    ['x-gzip', zlib.gzipSync(body)],
    ['GZIP', zlib.gzipSync(body)],
    ['deflate', zlib.deflateSync(body)],
    ['br', zlib.brotliCompressSync(body)],
    ['zstd', zlib.zstdCompressSync(body)],
    ['identity', body],
    ['gzip', Buffer.concat([zlib.gzipSync(body.subarray(0, 9)), zlib.gzipSync(body.subarray(9))])],
  ])('in %s reaches the service decoded', async (coding, content) => {
    const { url } = await start({})
    const response = await post(url, coding, content)
    expect([response.status, response.headers['x-coding']]).toEqual([200, ''])
    expect(response.body.equals(body)).toBe(true)
  })

  test('is forwarded as it is without the option, and with a digest of it', async () => {
    const content = zlib.gzipSync(body)
    for (const [options, headers] of [[undefined, {}] as const, [{}, { 'content-digest': 'sha-256=:AAAA:' }] as const]) {
      const { url } = await start(options)
      const response = await post(url, 'gzip', content, headers)
      expect(response.headers['x-coding']).toBe('gzip')
      expect(response.body.equals(content)).toBe(true)
    }
  })

  test('without a content has no coding to decode', async () => {
    const { url } = await start({})
    expect((await send(url, { headers: { 'content-encoding': 'gzip' } })).status).toBe(200)
  })

  test.each([
    ['compress', 'zstd, br, gzip, deflate', {}],
    ['gzip, br', 'zstd, br, gzip, deflate', {}],
    ['br', 'gzip', { encodings: ['gzip'] } satisfies DecompressOptions],
  ])('in %s gets 415 with what is accepted: %s', async (coding, accepted, options) => {
    const { url, completed } = await start(options)
    const response = await post(url, coding, body)
    expect([response.status, response.headers['accept-encoding'], completed]).toEqual([415, accepted, []])
  })

  test.each<[string, string, Buffer]>([
    ['is not of its coding', 'gzip', body],
    ['is cut', 'gzip', zlib.gzipSync(body).subarray(0, -20)],
    ['is cut', 'br', zlib.brotliCompressSync(body).subarray(0, -20)],
    ['is cut', 'zstd', zlib.zstdCompressSync(body).subarray(0, -20)],
    ['has a wrong checksum', 'gzip', Buffer.concat([zlib.gzipSync(body).subarray(0, -8), Buffer.alloc(8)])],
  ])('that %s gets 400: %s', async (_, coding, content) => {
    const { url, completed } = await start({})
    const response = await post(url, coding, content)
    expect([response.status, response.headers['x-gateway-error'], completed]).toEqual([400, 'SD_INVALID', []])
  })

  const bomb = Buffer.alloc(50_000_000)
  test.each<[string, Buffer, DecompressOptions]>([
    ['gzip', zlib.gzipSync(bomb), {}],
    ['br', zlib.brotliCompressSync(bomb, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }), {}],
    ['zstd', zlib.zstdCompressSync(bomb), {}],
    ['gzip', zlib.gzipSync(bomb, { level: 1 }), { maxRatio: 10_000 }],
    ['gzip', zlib.gzipSync(body), { maxBytes: body.length - 1 }],
  ])('that is a bomb in %s gets 413', async (coding, content, options) => {
    const { url, completed } = await start(options)
    const response = await post(url, coding, content)
    expect([response.status, response.headers['x-gateway-error'], completed]).toEqual([413, 'SD_TOO_LARGE', []])
  })

  test('of a small size may have any ratio, and one of the largest size is accepted', async () => {
    const { url } = await start({ maxBytes: 60_000 })
    expect((await post(url, 'gzip', zlib.gzipSync(Buffer.alloc(60_000)))).status).toBe(200)
  })
})

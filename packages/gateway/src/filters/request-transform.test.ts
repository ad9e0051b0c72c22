import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { Readable } from 'node:stream'
import { createGunzip, gzipSync } from 'node:zlib'
import { SdError } from '@sd/core'
import { createRetryPolicy } from '@sd/retry'
import { describe, expect, test, vi } from 'vitest'
import { listen, startEdge } from '../testing/http1-edge.ts'
import { RawClient } from '../testing/raw-client.ts'
import { fetchEcho, startFleet } from '../testing/start-fleet.ts'
import { type CreateBodyTransform, throughStream } from './body-transform.ts'
import type { GatewayFilter } from './filter.ts'

const forward = { service: 'orders' }

/** Appends a text to the body. */
function append(text: string): CreateBodyTransform {
  return (output) => ({
    write: (chunk) => output.write(chunk),
    end(rawTrailers) {
      output.write(Buffer.from(text))
      output.end(rawTrailers)
    },
  })
}

function transforming(create: CreateBodyTransform): GatewayFilter {
  return { onRequest: (exchange) => void exchange.transformBody(create) as undefined }
}

const gunzip: GatewayFilter = {
  onRequest(exchange) {
    exchange.removeHeader('content-encoding')
    exchange.transformBody(throughStream(() => createGunzip()))
    return undefined
  },
}

describe('the body of a request', () => {
  test('passes the transforms in the order of the filters', async () => {
    const fleet = startFleet()
    await fleet.serve('a')
    const filters = { one: () => transforming(append(' one')), two: () => transforming(append(' two')) }
    const { url } = await fleet.gateway([{ name: 'orders', forward, filters: [{ filter: 'one' }, { filter: 'two' }] }], {
      filters,
    })
    const { echo } = await fetchEcho(url, { method: 'POST', body: 'body' })
    expect([echo.body, echo.headers['content-length']]).toEqual(['body one two', undefined])
    const { echo: empty } = await fetchEcho(url, { method: 'POST' })
    expect([empty.body, empty.headers['content-length']]).toEqual(['', '0'])
  })

  test('of some megabytes passes a stream; the limit of the route counts what the client sends', async () => {
    const text = Array.from({ length: 300_000 }, (_, index) => `line ${index}`).join('\n')
    const zipped = gzipSync(text)
    const fleet = startFleet()
    await fleet.serve('a', { respond: (_, response, body) => response.end(String(body === text)) })
    const route = { name: 'orders', forward, filters: [{ filter: 'gunzip' }], limits: { bodyBytes: zipped.length } }
    const { url } = await fleet.gateway([route], { filters: { gunzip: () => gunzip } })
    const send = (body: Uint8Array<ArrayBuffer>): Promise<Response> =>
      fetch(url, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body })
    expect(await (await send(zipped)).text()).toBe('true')
    expect((await send(Buffer.concat([zipped, Buffer.alloc(1)]))).status).toBe(413)
  })

  test('that is read slowly by the service stops the client', async () => {
    let read: (() => void) | undefined
    const edge = await startEdge({
      rawService(socket) {
        socket.pause()
        read = () => socket.resume()
        let bytes = 0
        socket.on('data', (chunk) => {
          bytes += chunk.length
          if (bytes > 64_000_000) socket.end('HTTP/1.1 204 No Content\r\n\r\n')
        })
      },
      filters: [transforming((output) => ({ write: (chunk) => output.write(chunk), end: (trailers) => output.end(trailers) }))],
    })
    const socket = connect(edge.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('POST /orders HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: 64000000\r\n\r\n')
    let sent = 0
    const body = Readable.from(
      (function* () {
        for (let index = 0; index < 64; index++) {
          sent++
          yield Buffer.alloc(1_000_000)
        }
      })(),
      { objectMode: false, highWaterMark: 1 },
    )
    body.pipe(socket, { end: false })
    await vi.waitFor(() => expect(read).toBeDefined(), 10_000)
    await vi.waitFor(() => expect(socket.writableNeedDrain).toBe(true), 10_000)
    const before = sent
    await new Promise((resolve) => setImmediate(resolve))
    expect(sent - before).toBeLessThan(32)
    read?.()
    await vi.waitFor(() => expect(sent).toBe(64), 20_000)
    socket.destroy()
  })

  test('is sent again as it was transformed', async () => {
    const bodies: string[] = []
    let isFirst = true
    const service = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      bodies.push(body)
      response.statusCode = isFirst ? 503 : 200
      isFirst = false
      response.end()
    })
    const edge = await startEdge({
      servicePort: await listen(service),
      filters: [transforming(append(' changed'))],
      client: { retry: createRetryPolicy({ maxAttempts: 2 }) },
    })
    const client = new RawClient(edge.port).send('PUT /orders HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\n\r\nbody')
    await client.until('HTTP/1.1 200 OK')
    expect(bodies).toEqual(['body changed', 'body changed'])
  })

  test.each<[string, unknown, number, string]>([
    ['reports what is not valid', new SdError('SD_INVALID', 'secret'), 400, 'SD_INVALID'],
    ['reports what is too large', new SdError('SD_TOO_LARGE', 'secret'), 413, 'SD_TOO_LARGE'],
    ['fails', new Error('secret'), 500, 'SD_LISTENER_FAILED'],
  ])('gets a response if a transform %s', async (_, thrown, status, code) => {
    const destroy = vi.fn()
    const aborted = vi.fn()
    const port = await listen(createTcpServer((socket) => socket.on('close', aborted).resume()))
    const edge = await startEdge({
      servicePort: port,
      filters: [
        transforming((output) => ({
          write() {
            output.fail(thrown)
            return true
          },
          end() {},
          destroy,
        })),
      ],
    })
    const client = new RawClient(edge.port).send('POST /orders HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\n\r\nbody')
    const text = await client.closed
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*x-gateway-error: ${code}`))
    expect(text).not.toContain('secret')
    expect(destroy).toHaveBeenCalledTimes(1)
    expect(edge.openExchanges.size).toBe(0)
  })
})

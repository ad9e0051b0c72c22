import { createServer } from 'node:http'
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import * as grpc from '@grpc/grpc-js'
import { SdError } from '@sd/core'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { describe, expect, onTestFinished, test } from 'vitest'
import { callUnary, createStage } from './testing/stage.ts'

const { status } = grpc

const echo: grpc.handleUnaryCall<Buffer, Buffer> = (call, done) => done(null, call.request)

async function listen<T extends { listen(port: number, host: string, done: () => void): unknown; close(): unknown }>(
  server: T,
): Promise<T> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return server
}

describe('what the gateway says itself has a status of gRPC', () => {
  test('no route: UNIMPLEMENTED', async () => {
    const stage = createStage()
    const { port } = await stage.gateway({ match: { protocol: 'grpc', path: '/other.Service/*' } })
    const { error } = await callUnary(stage.dial(port))
    expect(error).toMatchObject({ code: status.UNIMPLEMENTED, details: 'No route matches the request.' })
    expect(error?.metadata.get('x-gateway-error')).toEqual(['SD_NOT_FOUND'])
  })

  test('no instance: UNAVAILABLE', async () => {
    const stage = createStage()
    const { port } = await stage.gateway({}, { readyTimeoutMs: 1 })
    expect((await callUnary(stage.dial(port))).error).toMatchObject({ code: status.UNAVAILABLE })
  })

  test('a rate limit: RESOURCE_EXHAUSTED', async () => {
    const stage = createStage()
    await stage.serve('a', { unary: echo })
    const limiter = createMemoryRateLimiter({ limit: 1, windowMs: 60_000 })
    const { port } = await stage.gateway({ limits: { rate: { limiter: 'one' } } }, { rateLimiters: { one: limiter } })
    const client = stage.dial(port)
    expect((await callUnary(client)).error).toBeNull()
    const { error } = await callUnary(client)
    expect([error?.code, error?.metadata.get('retry-after').length]).toEqual([status.RESOURCE_EXHAUSTED, 1])
  })

  test('a message that is too large: RESOURCE_EXHAUSTED', async () => {
    const stage = createStage()
    await stage.serve('a', { unary: echo })
    const { port } = await stage.gateway({ limits: { bodyBytes: 100 } })
    expect((await callUnary(stage.dial(port), 'x'.repeat(200))).error).toMatchObject({ code: status.RESOURCE_EXHAUSTED })
  })

  test.each<[string, () => never | { status: number }, number]>([
    ['responds 401', () => ({ status: 401 }), status.UNAUTHENTICATED],
    ['responds 403', () => ({ status: 403 }), status.PERMISSION_DENIED],
    ['redirects', () => ({ status: 302 }), status.UNKNOWN],
    [
      'throws',
      () => {
        throw new Error('secret')
      },
      status.INTERNAL,
    ],
    [
      'refuses',
      () => {
        throw new SdError('SD_REJECTED', 'secret')
      },
      status.UNAVAILABLE,
    ],
  ])('a filter that %s', async (_, onRequest, code) => {
    const stage = createStage()
    const { port } = await stage.gateway({ filters: [{ filter: 'own' }] }, { filters: { own: () => ({ onRequest }) } })
    const { error } = await callUnary(stage.dial(port))
    expect(error?.code).toBe(code)
    expect(error?.details).not.toContain('secret')
  })
})

describe('responses that are not of gRPC get a status by the HTTP status', () => {
  test.each([
    [400, status.INTERNAL],
    [401, status.UNAUTHENTICATED],
    [403, status.PERMISSION_DENIED],
    [404, status.UNIMPLEMENTED],
    [429, status.UNAVAILABLE],
    [500, status.UNKNOWN],
    [503, status.UNAVAILABLE],
    [200, status.UNKNOWN],
  ])('%i: %i', async (code, expected) => {
    const stage = createStage({ retry: false })
    const server = createHttp2Server()
    server.on('stream', (stream) => {
      stream.on('error', () => undefined)
      stream.respond({ ':status': code, 'content-type': 'text/html' })
      stream.end('<h1>proxy</h1>')
    })
    await stage.register(await listen(server as Http2Server))
    const { port } = await stage.gateway()
    const { error } = await callUnary(stage.dial(port))
    expect([error?.code, error?.details]).toEqual([expected, `The service responded with HTTP status ${code}, not in gRPC`])
  })

  test('an instance that has only HTTP/1.1', async () => {
    const stage = createStage({ retry: false })
    await stage.register(await listen(createServer((_, response) => response.writeHead(404).end())), 'http')
    const { port } = await stage.gateway()
    expect((await callUnary(stage.dial(port))).error?.code).toBe(status.UNIMPLEMENTED)
  })

  test.each<[string, (stream: ServerHttp2Stream) => void, number, string]>([
    [
      'resets',
      (stream) => stream.destroy(new Error('broken')),
      status.UNAVAILABLE,
      'The response of the service is not complete.',
    ],
    ['ends', (stream) => void stream.end(), status.UNKNOWN, 'The service ended the call without a status.'],
  ])('a stream that the service %s without a status', async (_, end, code, details) => {
    const stage = createStage({ retry: false })
    const server = createHttp2Server()
    server.on('stream', (stream) => {
      stream.on('error', () => undefined)
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(Buffer.from([0, 0, 0, 0, 1, 97]))
      setImmediate(() => setImmediate(end, stream))
    })
    await stage.register(await listen(server as Http2Server))
    const { port } = await stage.gateway()
    expect((await callUnary(stage.dial(port))).error).toMatchObject({ code, details })
  })
})

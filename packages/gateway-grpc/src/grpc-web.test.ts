import { Code, ConnectError, type Transport } from '@connectrpc/connect'
import { createGrpcWebTransport as createNodeTransport } from '@connectrpc/connect-node'
import { createGrpcWebTransport as createBrowserTransport } from '@connectrpc/connect-web'
import * as grpc from '@grpc/grpc-js'
import type { GatewayFilter } from '@sd/gateway'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { createStage, type Stage } from './testing/stage.ts'
import { openWebClient, type WebClient } from './testing/web-client.ts'

const transports: readonly (readonly [string, (baseUrl: string) => Transport])[] = [
  ['connect-web over fetch', (baseUrl) => createBrowserTransport({ baseUrl })],
  ['connect-node over HTTP/1.1', (baseUrl) => createNodeTransport({ baseUrl, httpVersion: '1.1' })],
  ['connect-node over HTTP/2', (baseUrl) => createNodeTransport({ baseUrl, httpVersion: '2' })],
]

describe.each(transports)('grpc-web: %s', (_, open) => {
  async function start(stage: Stage): Promise<WebClient> {
    const { url } = await stage.gateway()
    return openWebClient(open(url))
  }

  test('unary and server streams, with metadata and trailers', async () => {
    const stage = createStage()
    let contentType: grpc.MetadataValue | undefined
    await stage.serve('a', {
      unary(call, done) {
        const head = new grpc.Metadata()
        head.set('x-seen', call.metadata.get('x-text')[0] as string)
        contentType = call.metadata.get('content-type')[0]
        call.sendMetadata(head)
        const trailers = new grpc.Metadata()
        trailers.set('x-sum', '7')
        done(null, call.request, trailers)
      },
      list(call) {
        for (let index = 0; index < 20; index++) call.write(call.request)
        call.end()
      },
    })
    const client = await start(stage)
    const fields: Headers[] = []
    const options = { headers: { 'x-text': 'plain' }, onHeader: (head: Headers) => void fields.push(head) }
    const { text } = await client.unary({ text: 'héllo' }, { ...options, onTrailer: (trailers) => void fields.push(trailers) })
    expect([text, fields[0]?.get('x-seen'), fields[1]?.get('x-sum')]).toEqual(['héllo', 'plain', '7'])
    expect(String(contentType)).toMatch(/^application\/grpc\+proto$|^undefined$/)
    const texts: string[] = []
    for await (const message of client.list({ text: 'again' })) texts.push(message.text)
    expect(texts).toEqual(Array(20).fill('again'))
    await eventually(() => expect(stage.calls.map(({ grpcStatus }) => grpcStatus)).toEqual([0, 0]), 20_000)
  })

  test('a failure of the service, and one of the gateway', async () => {
    const stage = createStage({ retry: false })
    const { registration } = await stage.serve('a', {
      unary: (_call, done) => done({ code: grpc.status.ABORTED, details: 'für später' }),
    })
    const client = await start(stage)
    const failure = ConnectError.from(await client.unary({ text: '' }).catch((error: unknown) => error))
    expect([failure.code, failure.rawMessage]).toEqual([Code.Aborted, 'für später'])
    await registration.deregister()
    await eventually(async () => {
      const missing = ConnectError.from(await client.unary({ text: '' }).catch((error: unknown) => error))
      expect([missing.code, missing.rawMessage]).toEqual([Code.Unavailable, 'The service is not available now.'])
    }, 20_000)
  })

  test('a deadline reaches the service', async () => {
    const stage = createStage()
    let isCancelled = false
    await stage.serve('a', {
      unary: (call) =>
        void call.on('cancelled', () => {
          isCancelled = true
        }),
    })
    const client = await start(stage)
    const failure = ConnectError.from(await client.unary({ text: '' }, { timeoutMs: 300 }).catch((error: unknown) => error))
    expect(failure.code).toBe(Code.DeadlineExceeded)
    await eventually(() => expect(isCancelled).toBe(true), 20_000)
  })
})

describe('grpc-web-text', () => {
  const frame = Buffer.from([0, 0, 0, 0, 3, 10, 1, 97])
  const headers = { 'content-type': 'application/grpc-web-text+proto', 'x-grpc-web': '1' }

  async function start(): Promise<string> {
    const stage = createStage()
    await stage.serve('a', { unary: (call, done) => done(null, call.request) })
    return (await stage.gateway()).url
  }

  test.each<[string, readonly string[]]>([
    ['one part', [frame.toString('base64')]],
    ['parts with padding of their own', [frame.subarray(0, 4).toString('base64'), frame.subarray(4).toString('base64')]],
    ['one character at a time', [...frame.toString('base64')]],
  ])('a request in %s', async (_, parts) => {
    const url = await start()
    const body = new ReadableStream({
      start(controller) {
        for (const part of parts) controller.enqueue(Buffer.from(part))
        controller.close()
      },
    })
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit
    const response = await fetch(`${url}/shop.Carts/Unary`, init)
    expect(response.headers.get('content-type')).toBe('application/grpc-web-text+proto')
    const text = await response.text()
    const bytes = Buffer.concat((text.match(/[^=]+={0,2}/g) ?? []).map((part) => Buffer.from(part, 'base64')))
    expect(bytes.subarray(0, 8)).toEqual(frame)
    expect(bytes[8]).toBe(0x80)
    expect(bytes.toString('latin1', 13)).toMatch(/^grpc-status: 0\r\n/)
  })

  test.each(['A', '****', 'AA=A', 'A==='])('a request with the body %s is refused', async (body) => {
    const url = await start()
    const response = await fetch(`${url}/shop.Carts/Unary`, { method: 'POST', headers, body })
    expect([response.status, response.headers.get('grpc-status')]).toEqual([200, '13'])
  })
})

test('a route without grpc-web refuses it with 415, and still takes gRPC', async () => {
  const stage = createStage()
  await stage.serve('a', { unary: (call, done) => done(null, call.request) })
  const { url } = await stage.gateway({ options: { web: false } })
  const headers = { 'content-type': 'application/grpc-web+proto' }
  expect((await fetch(`${url}/shop.Carts/Unary`, { method: 'POST', headers, body: 'x' })).status).toBe(415)
})

test('the preflight of a browser takes the route, so that its filters can respond', async () => {
  const stage = createStage()
  const cors: GatewayFilter = {
    onRequest: ({ method }) =>
      method === 'OPTIONS' ? { status: 204, headers: { 'access-control-allow-origin': '*' } } : undefined,
  }
  const { url } = await stage.gateway({ filters: [{ filter: 'cors' }] }, { filters: { cors: () => cors } })
  const response = await fetch(`${url}/shop.Carts/Unary`, {
    method: 'OPTIONS',
    headers: { 'access-control-request-headers': 'content-type, x-grpc-web', 'access-control-request-method': 'POST' },
  })
  expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([204, '*'])
})

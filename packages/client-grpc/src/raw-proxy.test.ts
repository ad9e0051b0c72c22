import * as grpc from '@grpc/grpc-js'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { subscribeTelemetry } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callKind, kinds } from './testing/kinds.ts'
import { createOrdersClient, type OrdersClient, type OrdersServerOptions } from './testing/orders.ts'
import { startRawProxy } from './testing/raw-proxy.ts'
import { createStage, type Stage } from './testing/stage.ts'

let stage: Stage
let proxy: Awaited<ReturnType<typeof startRawProxy>>
let client: OrdersClient

beforeEach(async () => {
  stage = createStage(grpc, { client: { breaker: ({ name }) => createOpossumBreaker({ name, minimumCalls: 5 }) } })
  proxy = await startRawProxy(stage.client)
  client = createOrdersClient(grpc, `127.0.0.1:${proxy.port}`)
})
afterEach(async () => {
  client.close()
  proxy.close()
  await stage[Symbol.asyncDispose]()
})

/** Statuses of attempts, as HTTP and as gRPC. */
function listen(): { readonly received: unknown[] } & Disposable {
  const received: unknown[] = []
  const end = subscribeTelemetry('sd:v1:attempt:end', ({ status, grpcStatus, error }) =>
    received.push(error ? error.code : [status, grpcStatus]),
  )
  return { received, [Symbol.dispose]: end }
}

function serve(behave: OrdersServerOptions['behave'] = () => undefined): ReturnType<Stage['serve']> {
  return stage.serve('a', { behave })
}

describe('a gRPC proxy on client.forward', () => {
  test.each(kinds)('forwards a call with its trailers: %s', async (kind) => {
    using events = listen()
    await serve()
    const answers = { unary: 'a', 'client stream': 'x', 'server stream': 'x', bidi: 'a: x' }
    expect(await callKind(grpc, client, kind).reply).toBe(answers[kind])
    await expect.poll(() => events.received).toEqual([[200, 0]])
  })

  test.each(kinds)('forwards a failure, and judges the instance by it: %s', async (kind) => {
    using events = listen()
    await serve(() => ({ code: 13, details: 'größer', metadata: { 'x-why': 'because' } }))
    const failure = await callKind(grpc, client, kind).reply.catch((error) => error)
    expect([failure.code, failure.details, failure.metadata.get('x-why')]).toEqual([13, 'größer', ['because']])
    await expect.poll(() => events.received).toEqual([[500, 13]])
    expect(stage.discovery.cluster('orders').view.endpoints[0]?.failures).toBe(1)
  })

  test('a breaker opens by the status of the trailers, although every response is a 200', async () => {
    await serve(() => ({ code: 14 }))
    for (let calls = 0; calls < 5; calls++) await callKind(grpc, client, 'unary').reply.catch(() => undefined)
    await expect.poll(() => stage.client.breaker('orders')?.state).toBe('open')
    await expect(callKind(grpc, client, 'unary').reply).rejects.toMatchObject({ code: 14 })
  })

  test.each([3, 5, 16])('status %i is about the request, not about the instance', async (code) => {
    await serve(() => ({ code }))
    for (let calls = 0; calls < 6; calls++) await expect(callKind(grpc, client, 'unary').reply).rejects.toMatchObject({ code })
    expect(stage.client.breaker('orders')?.state).toBe('closed')
    expect(stage.discovery.cluster('orders').view.endpoints[0]?.failures).toBe(0)
  })

  test('an instance that requests a delay gets no calls for that time', async () => {
    const { server } = await serve(() => ({ code: 14, metadata: { 'grpc-retry-pushback-ms': '60000' } }))
    await stage.serve('b')
    for (let calls = 0; calls < 6; calls++) await callKind(grpc, client, 'unary').reply.catch(() => undefined)
    expect(server.calls).toBe(1)
    const { endpoints } = stage.client.explain('orders').cluster
    expect(endpoints.map(({ dropped }) => dropped)).toContain('retry-after')
  })

  test('a call that its caller cancels ends at the instance', async () => {
    let isCancelled = false
    const { server } = await serve((call) => {
      call.on('cancelled', () => {
        isCancelled = true
      })
      return 'hang'
    })
    const { reply, cancel } = callKind(grpc, client, 'bidi', { staysOpen: true })
    await expect.poll(() => server.calls).toBe(1)
    cancel()
    await expect(reply).rejects.toMatchObject({ code: 1 })
    await expect.poll(() => isCancelled).toBe(true)
  })

  test('messages of 2 MB, and many messages, pass in both directions', async () => {
    await serve()
    const chat = client.chat()
    const sizes: number[] = []
    for (let count = 0; count < 20; count++) chat.write({ text: 'x'.repeat(count % 10 === 0 ? 2_000_000 : 10) })
    chat.end()
    for await (const { text } of chat) sizes.push(text.length - 'a: '.length)
    expect(sizes).toEqual(Array.from({ length: 20 }, (_, count) => (count % 10 === 0 ? 2_000_000 : 10)))
  })
})

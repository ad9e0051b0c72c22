import { once } from 'node:events'
import * as grpc from '@grpc/grpc-js'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { callUnary, createStage } from './testing/stage.ts'

const { status } = grpc

const echo: grpc.handleUnaryCall<Buffer, Buffer> = (call, done) => done(null, call.request)

describe('calls of grpc-js through the gateway', () => {
  test('unary: messages of 4 MiB, metadata, binary metadata and trailers', async () => {
    const stage = createStage()
    const binary = Buffer.from([0, 255, 10, 13, 128])
    await stage.serve('a', {
      unary(call, done) {
        const head = new grpc.Metadata()
        head.set('x-seen', call.metadata.get('x-text')[0] as string)
        head.set('x-seen-bin', call.metadata.get('x-data-bin')[0] as Buffer)
        call.sendMetadata(head)
        const trailers = new grpc.Metadata()
        trailers.set('x-sum', String(call.request.length))
        trailers.add('x-part-bin', binary)
        done(null, call.request, trailers)
      },
    })
    const { port } = await stage.gateway()
    const metadata = new grpc.Metadata()
    metadata.set('x-text', 'plain')
    metadata.set('x-data-bin', binary)
    const message = Buffer.alloc(4 * 1_048_576 - 64, 'ab')
    const seen = await callUnary(stage.dial(port), message, { metadata })
    expect(seen.error).toBeNull()
    expect(seen.text === message.toString()).toBe(true)
    expect([seen.metadata?.get('x-seen'), seen.metadata?.get('x-seen-bin')]).toEqual([['plain'], [binary]])
    expect([seen.trailers?.get('x-sum'), seen.trailers?.get('x-part-bin')]).toEqual([[String(message.length)], [binary]])
  })

  test('streams of the client, of the server, and of both', async () => {
    const stage = createStage()
    await stage.serve('a', {
      collect(call, done) {
        const texts: string[] = []
        call.on('data', (message: Buffer) => texts.push(message.toString()))
        call.on('end', () => done(null, Buffer.from(texts.join())))
      },
      list(call) {
        for (let index = 0; index < 100; index++) call.write(Buffer.from(`${index}`))
        call.end()
      },
      chat(call) {
        call.on('data', (message: Buffer) => call.write(message))
        call.on('end', () => call.end())
      },
    })
    const { port } = await stage.gateway()
    const client = stage.dial(port)
    const collected = await new Promise<string>((resolve, reject) => {
      const call = client.collect(new grpc.Metadata(), {}, (error, message) => (error ? reject(error) : resolve(String(message))))
      for (const text of ['a', 'b', 'c']) call.write(Buffer.from(text))
      call.end()
    })
    expect(collected).toBe('a,b,c')
    const listed: string[] = []
    for await (const message of client.list(Buffer.from(''), new grpc.Metadata(), {})) listed.push(String(message))
    expect(listed).toHaveLength(100)
    const chat = client.chat(new grpc.Metadata(), {})
    // Each message is answered before the next is sent: nothing is held back.
    for (const text of ['one', 'two', 'three']) {
      chat.write(Buffer.from(text))
      expect(String((await once(chat, 'data'))[0])).toBe(text)
    }
    chat.end()
    await once(chat, 'status')
    await eventually(() => expect(stage.exchanges.map(({ outcome }) => outcome.grpcStatus)).toEqual([0, 0, 0]), 20_000)
    expect(stage.calls.map(({ method, messagesIn, messagesOut }) => [method, messagesIn, messagesOut])).toEqual([
      ['/shop.Carts/Collect', 3, 1],
      ['/shop.Carts/List', 1, 100],
      ['/shop.Carts/Chat', 3, 3],
    ])
  })

  test.each([
    [status.NOT_FOUND, 'Bücher 100 % ausverkauft – 書\n'],
    [status.RESOURCE_EXHAUSTED, ''],
    [status.DATA_LOSS, 'lost'],
  ])('a service that responds with status %i: the message and the details stay', async (code, details) => {
    const stage = createStage({ retry: false })
    const proof = Buffer.from([8, 5, 18, 3, 97, 98, 99])
    await stage.serve('a', {
      unary(_, done) {
        const metadata = new grpc.Metadata()
        metadata.set('grpc-status-details-bin', proof)
        done({ code, details, metadata })
      },
    })
    const { port } = await stage.gateway()
    const { error } = await callUnary(stage.dial(port))
    expect([error?.code, error?.details, error?.metadata.get('grpc-status-details-bin')]).toEqual([code, details, [proof]])
    await eventually(() => expect(stage.exchanges[0]?.outcome).toMatchObject({ status: 200, grpcStatus: code }), 20_000)
    expect(stage.exchanges[0]?.exchange.protocol).toBe('grpc')
  })

  test('each call is balanced by itself, although all share a connection', async () => {
    const stage = createStage()
    for (const id of ['a', 'b', 'c']) await stage.serve(id, { unary: (_, done) => done(null, Buffer.from(id)) })
    const { port } = await stage.gateway()
    const client = stage.dial(port)
    const texts = []
    for (let index = 0; index < 9; index++) texts.push((await callUnary(client)).text)
    expect(new Set(texts.slice(-6))).toEqual(new Set(['a', 'b', 'c']))
  })
})

describe('deadlines', () => {
  test('the service gets the remaining time, and sees the cancel when it is over', async () => {
    const stage = createStage()
    let remainingMs = 0
    let isCancelled = false
    await stage.serve('a', {
      unary(call) {
        remainingMs = Number(call.getDeadline()) - Date.now()
        call.on('cancelled', () => {
          isCancelled = true
        })
      },
    })
    const { port } = await stage.gateway()
    const { error } = await callUnary(stage.dial(port), 'x', { deadline: Date.now() + 700 })
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED)
    await eventually(() => expect(isCancelled).toBe(true), 20_000)
    expect(remainingMs).toBeLessThanOrEqual(701)
  })

  test('of a stream that has begun end it with the status of gRPC', async () => {
    const stage = createStage()
    await stage.serve('a', { list: (call) => void call.write(Buffer.from('first')) })
    const { port } = await stage.gateway({ timeouts: { maxMs: 500 } })
    const stream = stage.dial(port).list(Buffer.from(''), new grpc.Metadata(), {})
    const texts: string[] = []
    stream.on('data', (message: Buffer) => texts.push(String(message)))
    const [error] = await once(stream, 'error')
    expect([texts, error.code, error.details]).toEqual([['first'], status.DEADLINE_EXCEEDED, 'The call took too long.'])
  })

  test('a cancel of the client reaches the service', async () => {
    const stage = createStage()
    let isCancelled = false
    await stage.serve('a', {
      chat(call) {
        call.write(Buffer.from('begun'))
        call.on('cancelled', () => {
          isCancelled = true
        })
      },
    })
    const { port } = await stage.gateway()
    const chat = stage.dial(port).chat(new grpc.Metadata(), {})
    chat.on('error', () => undefined)
    await once(chat, 'data')
    chat.cancel()
    await eventually(() => expect(isCancelled).toBe(true), 20_000)
    await eventually(
      () => expect(stage.calls).toMatchObject([{ method: '/shop.Carts/Chat', grpcStatus: status.CANCELLED }]),
      20_000,
    )
  })
})

describe('policies', () => {
  test('an instance that is not reachable is passed over', async () => {
    const stage = createStage()
    const { server } = await stage.serve('gone', { unary: echo })
    await stage.serve('b', { unary: echo })
    server.forceShutdown()
    const { port } = await stage.gateway()
    const client = stage.dial(port)
    for (let index = 0; index < 6; index++) expect((await callUnary(client)).error).toBeNull()
  })

  test('the breaker counts statuses of gRPC, and its refusal is UNAVAILABLE', async () => {
    const breaker = createOpossumBreaker({ name: 'carts', minimumCalls: 3, failureRate: 0.5, openMs: 60_000 })
    const stage = createStage({ retry: false, breaker: () => breaker })
    let requests = 0
    await stage.serve('a', {
      unary(_, done) {
        requests++
        done({ code: status.INTERNAL, details: 'broken' })
      },
    })
    const { port } = await stage.gateway()
    const client = stage.dial(port)
    for (let index = 0; index < 3; index++) expect((await callUnary(client)).error?.code).toBe(status.INTERNAL)
    await eventually(() => expect(breaker.state).toBe('open'), 20_000)
    expect((await callUnary(client)).error).toMatchObject({ code: status.UNAVAILABLE })
    expect(requests).toBe(3)
  })
})

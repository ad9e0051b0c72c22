import type * as Grpc from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { grpcModules } from './testing/modules.ts'
import { call, type GrpcJs, type Message } from './testing/orders.ts'
import { createStage } from './testing/stage.ts'

function readAll(stream: Grpc.ClientReadableStream<Message>): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const texts: string[] = []
    stream.on('data', ({ text }: Message) => texts.push(text))
    stream.on('end', () => resolve(texts))
    stream.on('error', reject)
  })
}

describe.each(grpcModules)('grpc-js %s', (_minor, grpc: GrpcJs) => {
  test('unary, client-streaming, server-streaming and bidi calls work', async () => {
    await using stage = createStage(grpc)
    await stage.serve('a')
    const client = stage.dial()
    expect(await call(grpc, client)).toBe('a')
    const collected = new Promise<string | undefined>((resolve, reject) => {
      const stream = client.collect((error, reply) => (error ? reject(error) : resolve(reply?.text)))
      for (const text of ['1', '2', '3']) stream.write({ text })
      stream.end()
    })
    expect(await collected).toBe('1,2,3')
    expect(await readAll(client.list({ text: 'x,y,z' }))).toEqual(['x', 'y', 'z'])
    const chat = client.chat()
    const answers = readAll(chat)
    chat.write({ text: 'hello' })
    chat.end()
    expect(await answers).toEqual(['a: hello'])
  })

  test('a hundred streams at once', async () => {
    await using stage = createStage(grpc)
    const instances = [await stage.serve('a'), await stage.serve('b')]
    const client = stage.dial()
    const chats = Array.from({ length: 100 }, () => client.chat())
    const answers = chats.map(readAll)
    for (const chat of chats) chat.write({ text: '1' })
    await expect.poll(() => instances.reduce((sum, { server }) => sum + server.calls, 0)).toBe(100)
    const { endpoints } = stage.discovery.cluster('orders').view
    expect(endpoints.reduce((sum, { active }) => sum + active, 0)).toBe(100)
    for (const chat of chats) {
      chat.write({ text: '2' })
      chat.end()
    }
    for (const texts of await Promise.all(answers)) expect(texts.map((text) => text.slice(3))).toEqual(['1', '2'])
    expect(endpoints.map(({ active }) => active)).toEqual([0, 0])
  })

  test('a call ends at its deadline, also on the server', async () => {
    await using stage = createStage(grpc)
    let deadline: unknown
    const { server } = await stage.serve('a', {
      unary: (incoming) => {
        deadline = incoming.getDeadline()
      },
    })
    const client = stage.dial()
    const limit = Date.now() + 300
    await expect(call(grpc, client, { deadline: limit })).rejects.toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED })
    expect(server.calls).toBe(1)
    expect(Math.abs(Number(deadline) - limit)).toBeLessThan(1_000)
    expect(stage.discovery.cluster('orders').view.endpoints[0]?.active).toBe(0)
  })

  test('timeoutMs limits calls that have no deadline', async () => {
    await using stage = createStage(grpc, { services: { orders: { timeoutMs: 200 } } })
    await stage.serve('a', { unary: () => undefined })
    await expect(call(grpc, stage.dial())).rejects.toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED })
  })

  test('a cancelled call is cancelled on the server, and does not count against the endpoint', async () => {
    await using stage = createStage(grpc)
    let cancelled = false
    const { server } = await stage.serve('a', {
      unary: (incoming) => {
        incoming.on('cancelled', () => {
          cancelled = true
        })
      },
    })
    const client = stage.dial()
    const made: Grpc.ClientUnaryCall[] = []
    const ended = call(grpc, client, { onCall: (one) => made.push(one) }).catch((error: Grpc.ServiceError) => error.code)
    await expect.poll(() => server.calls).toBe(1)
    const [endpoint] = stage.discovery.cluster('orders').view.endpoints
    expect(endpoint?.active).toBe(1)
    made[0]?.cancel()
    expect(await ended).toBe(grpc.status.CANCELLED)
    await expect.poll(() => cancelled).toBe(true)
    expect([endpoint?.active, endpoint?.latencyMs]).toEqual([0, 0])
  })

  test('a call that is cancelled at once leaves no trace', async () => {
    await using stage = createStage(grpc)
    const { server } = await stage.serve('a')
    const client = stage.dial()
    await call(grpc, client)
    const ended = call(grpc, client, { onCall: (one) => one.cancel() })
    await expect(ended).rejects.toMatchObject({ code: grpc.status.CANCELLED })
    await call(grpc, client)
    expect(server.calls).toBe(2)
    expect(stage.discovery.cluster('orders').view.endpoints[0]?.active).toBe(0)
  })
})

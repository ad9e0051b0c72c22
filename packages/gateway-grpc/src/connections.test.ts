import { once } from 'node:events'
import * as grpc from '@grpc/grpc-js'
import { eventually } from '@sd/testing'
import { expect, test } from 'vitest'
import { callUnary, createStage, type Handlers } from './testing/stage.ts'

/** A server whose responses name it. */
function named(id: string): Handlers {
  return {
    unary: (_, done) => done(null, Buffer.from(id)),
    chat(call) {
      call.on('data', (message: Buffer) => call.write(Buffer.from(`${id} ${message}`)))
      call.on('end', () => call.end())
    },
  }
}

/** Sends a message, and waits for the response. */
async function say(chat: grpc.ClientDuplexStream<Buffer, Buffer>, text: string): Promise<string> {
  const answer = once(chat, 'data')
  chat.write(Buffer.from(text))
  return String((await answer)[0])
}

/** Ends a stream, and waits for its status. */
async function finish(chat: grpc.ClientDuplexStream<Buffer, Buffer>): Promise<number> {
  const ended = once(chat, 'status')
  chat.end()
  return ((await ended)[0] as grpc.StatusObject).code
}

test('a GOAWAY of the service: its streams continue, and new calls take another instance', async () => {
  const stage = createStage()
  const first = await stage.serve('first', named('first'))
  const { port } = await stage.gateway()
  const client = stage.dial(port)
  const chat = client.chat(new grpc.Metadata(), {})
  expect(await say(chat, '1')).toBe('first 1')
  await stage.serve('second', named('second'))
  const isDown = new Promise<void>((resolve) => first.server.tryShutdown(() => resolve()))
  await eventually(async () => expect((await callUnary(client)).text).toBe('second'), 20_000)
  for (let index = 0; index < 10; index++) expect((await callUnary(client)).error).toBeNull()
  expect(await say(chat, '2')).toBe('first 2')
  expect(await finish(chat)).toBe(0)
  await isDown
})

test('a new table: streams of routes that stay, change and go continue', async () => {
  const stage = createStage()
  await stage.serve('a', named('a'))
  const { gateway, port } = await stage.gateway()
  const client = stage.dial(port)
  const chat = client.chat(new grpc.Metadata(), {})
  expect(await say(chat, '1')).toBe('a 1')
  const listeners = [{ name: gateway.addresses[0]?.listener ?? '', address: '127.0.0.1:0' }]
  const carts = { name: 'carts', match: { protocol: 'grpc' }, forward: { service: 'carts' } }
  for (const routes of [[carts], [{ ...carts, options: { web: false } }], []]) {
    await gateway.configure({ listeners, routes })
    expect(await say(chat, 'again')).toBe('a again')
  }
  expect((await callUnary(client)).error?.code).toBe(grpc.status.UNIMPLEMENTED)
  expect(await finish(chat)).toBe(0)
})

test('a drain: the client gets a GOAWAY, its stream ends in peace, and no call fails', async () => {
  const stage = createStage()
  await stage.serve('a', named('a'))
  const { gateway, port } = await stage.gateway()
  const client = stage.dial(port)
  const chat = client.chat(new grpc.Metadata(), {})
  expect(await say(chat, '1')).toBe('a 1')
  gateway.drainable.beginDrain()
  // The client opens a new connection, which is still served.
  for (let index = 0; index < 10; index++) expect((await callUnary(client)).error).toBeNull()
  expect(await say(chat, '2')).toBe('a 2')
  const drained = gateway.drainable.finishDrain()
  expect(await finish(chat)).toBe(0)
  await drained
  expect(gateway.drainable.remaining().requests).toBe(0)
})

test('200 streams with messages of 50 KB in both directions, with back-pressure', async () => {
  const stage = createStage()
  await stage.serve('a', {
    chat(call) {
      call.on('data', (message: Buffer) => {
        if (!call.write(message)) {
          call.pause()
          call.once('drain', () => call.resume())
        }
      })
      call.on('end', () => call.end())
    },
  })
  const { port } = await stage.gateway()
  const client = stage.dial(port)
  const message = Buffer.alloc(50_000, 'x')
  async function exchange(): Promise<number> {
    const chat = client.chat(new grpc.Metadata(), {})
    let bytes = 0
    chat.on('data', (received: Buffer) => {
      bytes += received.length
    })
    for (let index = 0; index < 5; index++) chat.write(message)
    expect(await finish(chat)).toBe(0)
    return bytes
  }
  const totals = await Promise.all(Array.from({ length: 200 }, exchange))
  expect(new Set(totals)).toEqual(new Set([250_000]))
})

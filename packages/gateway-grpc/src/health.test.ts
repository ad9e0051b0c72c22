import * as grpc from '@grpc/grpc-js'
import { eventually } from '@sd/testing'
import { expect, onTestFinished, test } from 'vitest'
import { frame, readHealthRequest } from './health/health-messages.ts'
import { createStage } from './testing/stage.ts'

const same = (message: Buffer): Buffer => message
const coding = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }

interface HealthClient extends grpc.Client {
  check(message: Buffer, done: grpc.requestCallback<Buffer>): void
  watch(message: Buffer): grpc.ClientReadableStream<Buffer>
  list(message: Buffer, done: grpc.requestCallback<Buffer>): void
}

function dial(port: number): HealthClient {
  const Client = grpc.makeGenericClientConstructor(
    {
      check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, ...coding },
      watch: { path: '/grpc.health.v1.Health/Watch', requestStream: false, responseStream: true, ...coding },
      list: { path: '/grpc.health.v1.Health/List', requestStream: false, responseStream: false, ...coding },
    },
    'Health',
  )
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
  onTestFinished(() => client.close())
  return client as unknown as HealthClient
}

/** A `HealthCheckRequest`. */
const ask = (service: string): Buffer => {
  const name = Buffer.from(service)
  const length = name.length < 128 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7]
  return service === '' ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...length]), name])
}

/** The status of a response, or the code of the error. */
function check(client: HealthClient, service: string): Promise<string> {
  return new Promise((resolve) => {
    client.check(ask(service), (error, message) => resolve(error ? `error ${error.code}` : `status ${message?.[1]}`))
  })
}

const health = { 'shop.Carts': 'carts', 'shop.Orders': 'orders' }

test('Check responds from discovery; other methods of the route are forwarded', async () => {
  const stage = createStage()
  await stage.serve('a', { unary: (call, done) => done(null, call.request) })
  const { port } = await stage.gateway({ options: { health } }, { readyTimeoutMs: 1_000 })
  const client = dial(port)
  expect(await check(client, 'shop.Carts')).toBe('status 1')
  expect(await check(client, 'shop.Orders')).toBe('status 2')
  expect(await check(client, '')).toBe('status 2')
  expect(await check(client, 'shop.Nothing')).toBe('error 5')
  expect(await check(client, 'x'.repeat(200))).toBe('error 5')
  expect(await check(client, 'x'.repeat(5_000))).toBe('error 3')
  const listed = new Promise((resolve) => client.list(Buffer.alloc(0), (error) => resolve(error?.code)))
  expect(await listed).toBe(grpc.status.UNIMPLEMENTED)
})

test('Watch sends each change', async () => {
  const stage = createStage()
  const { registration } = await stage.serve('a', {})
  const { port } = await stage.gateway({ options: { health } })
  const client = dial(port)
  const seen: (number | undefined)[] = []
  const unknown: (number | undefined)[] = []
  const watch = client.watch(ask('shop.Carts'))
  watch.on('data', (message: Buffer) => seen.push(message[1]))
  watch.on('error', () => undefined)
  const other = client.watch(ask('shop.Nothing'))
  other.on('data', (message: Buffer) => unknown.push(message[1]))
  other.on('error', () => undefined)
  await eventually(() => expect([seen, unknown]).toEqual([[1], [3]]), 20_000)
  await registration.deregister()
  await eventually(() => expect(seen).toEqual([1, 2]), 20_000)
  await stage.serve('b', {})
  await eventually(() => expect(seen).toEqual([1, 2, 1]), 20_000)
  watch.cancel()
  other.cancel()
  await eventually(() => expect(stage.exchanges).toHaveLength(2), 20_000)
})

test('Watch ends when the gateway drains', async () => {
  const stage = createStage()
  await stage.serve('a', {})
  const { gateway, port } = await stage.gateway({ options: { health } })
  const watch = dial(port).watch(ask('shop.Carts'))
  const ended = new Promise<grpc.ServiceError>((resolve) => watch.once('error', resolve))
  await new Promise((resolve) => watch.once('data', resolve))
  await gateway.drainable.finishDrain()
  expect((await ended).code).toBe(grpc.status.UNAVAILABLE)
})

test.each<[string, Buffer]>([
  ['no prefix', Buffer.from([0, 0])],
  ['a compressed message', Buffer.from([1, 0, 0, 0, 0])],
  ['another length', Buffer.from([0, 0, 0, 0, 9, 0])],
  ['another field', frame(Buffer.from([0x12, 1, 97]))],
  ['a text that is cut off', frame(Buffer.from([0x0a, 9, 97]))],
  ['a length that is cut off', frame(Buffer.from([0x0a]))],
  ['a long length that is cut off', frame(Buffer.from([0x0a, 0x80]))],
])('a health request with %s is not valid', (_, body) => {
  expect(readHealthRequest(body)).toBeUndefined()
})

import { constants, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createSeededRandom, eventually } from '@sd/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { forward } from '../testing/forwarded.ts'
import { makeManyCalls } from '../testing/many-calls.ts'
import { closedPort, createWorld, type World } from '../testing/world.ts'

let world: World
const servers: Http2Server[] = []
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  await world.close()
  for (const server of servers.splice(0)) server.close()
})

/** Responds in one of many wrong ways, or correctly. */
function misbehave(stream: ServerHttp2Stream, random: () => number): void {
  stream.on('error', () => undefined)
  const { session } = stream
  const reply = (body: string | Buffer, headers: Record<string, string> = {}, status = 200): void => {
    if (stream.destroyed) return
    stream.respond({ ':status': status, ...headers })
    stream.end(body)
  }
  const begin = (then?: () => void): void => {
    stream.respond({ ':status': 200 })
    stream.write('part', then)
  }
  const ways: (() => void)[] = [
    () => reply('right'),
    () => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ x: '1' }))
      stream.end('right')
    },
    () => stream.close(constants.NGHTTP2_REFUSED_STREAM),
    () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    () => undefined,
    () => void setTimeout(() => reply('late'), random() * 150),
    () => begin(() => stream.close(constants.NGHTTP2_INTERNAL_ERROR)),
    () => reply('part', { 'content-length': '100' }),
    () => begin(),
    () => session?.goaway(constants.NGHTTP2_NO_ERROR),
    () => session?.destroy(),
    () => session?.close(),
    () => reply('broken', {}, 500),
    () => reply(Buffer.alloc(300_000)),
    () => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' })
      reply('after 1xx')
    },
    () => stream.respond({ ':status': 204 }, { endStream: true }),
  ]
  ways[Math.floor(random() * ways.length)]?.()
}

test('over HTTP/2: whatever servers and callers do, every call ends in time, once, with an SdError or a response, and nothing stays active', {
  timeout: 60_000,
}, async () => {
  const random = createSeededRandom(43)
  for (let index = 0; index < 3; index++) {
    const server = createServer()
    server.on('stream', (stream) => misbehave(stream, random))
    server.on('session', (session) => session.on('error', () => undefined))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    servers.push(server)
    await world.register((server.address() as AddressInfo).port, { id: `bad-${index}`, protocol: 'h2c' })
  }
  await world.register(await closedPort(), { id: 'dead', protocol: 'h2c' })
  const client = world.client({ timeoutMs: 300, maxResponseBytes: 200_000 })
  const ended = new Map<unknown, number>()
  const stop = subscribeTelemetry('sd:v1:call:end', ({ call }: TelemetryEvents['sd:v1:call:end']) =>
    ended.set(call, (ended.get(call) ?? 0) + 1),
  )

  async function call(): Promise<void> {
    const method = random() < 0.3 ? 'POST' : 'GET'
    if (random() < 0.3) {
      const seen = forward(client, { path: '/', method })
      await seen.ended
      if (seen.error) throw seen.error
      return
    }
    const signal = random() < 0.2 ? AbortSignal.timeout(Math.floor(random() * 100)) : undefined
    const response = await client.request('orders', '/', { method, signal, ...(method === 'POST' && { body: 'x' }) })
    const use = random()
    if (use < 0.7) await response.text()
    else if (use < 0.8) response.cancel()
    else for await (const _ of response.body) if (random() < 0.5) break
  }

  const outcomes = await makeManyCalls(call, random)
  await eventually(() => expect(world.active()).toBe(0), 3_000)
  stop()
  expect(outcomes.responded).toBeGreaterThan(50)
  expect(outcomes.failed).toBeGreaterThan(50)
  expect([ended.size, new Set(ended.values())]).toEqual([400, new Set([1])])
})

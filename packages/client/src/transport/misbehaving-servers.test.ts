import type { IncomingMessage, ServerResponse } from 'node:http'
import { subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createSeededRandom, eventually } from '@sd/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFetchTransport, createHttp1Transport, type ServiceClientOptions } from '../index.ts'
import { makeManyCalls } from '../testing/many-calls.ts'
import { closedPort, createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

/** Responds in one of many wrong ways, or correctly. */
function misbehave(random: () => number): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { socket } = request
    const ways: (() => void)[] = [
      () => response.end('right'),
      () => response.end('right'),
      () => socket.destroy(),
      () => socket.resetAndDestroy(),
      () => undefined,
      () => void setTimeout(() => response.end('late'), random() * 150),
      () => response.writeHead(200, { 'content-length': '100' }).write('part', () => socket.destroy()),
      () => void response.writeHead(200).write('part'),
      () => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: nonsense\r\n\r\n'),
      () => void socket.end('not HTTP'),
      () => response.writeHead(500).end('broken'),
      () => void response.end(Buffer.alloc(300_000)),
      () => {
        response.writeEarlyHints({ link: '</style.css>; rel=preload' })
        response.writeContinue()
        response.end('after 1xx')
      },
      () => response.writeHead(204).end(),
    ]
    ways[Math.floor(random() * ways.length)]?.()
  }
}

const transports: Record<string, () => Partial<ServiceClientOptions>> = {
  undici: () => ({}),
  http1: () => ({ transport: createHttp1Transport() }),
  fetch: () => ({ transport: createFetchTransport() }),
}

test.each(Object.entries(transports))(
  'over %s: whatever servers and callers do, every call ends in time, once, with an SdError or a response, and nothing stays active',
  { timeout: 60_000 },
  async (_, makeOptions) => {
    const random = createSeededRandom(42)
    for (let index = 0; index < 3; index++) await world.serve(misbehave(random), { id: `bad-${index}` })
    await world.register(await closedPort(), { id: 'dead' })
    const client = world.client({ ...makeOptions(), timeoutMs: 300, maxResponseBytes: 200_000 })
    const ended = new Map<unknown, number>()
    const stop = subscribeTelemetry('sd:v1:call:end', ({ call }: TelemetryEvents['sd:v1:call:end']) =>
      ended.set(call, (ended.get(call) ?? 0) + 1),
    )

    async function call(): Promise<void> {
      const method = random() < 0.3 ? 'POST' : 'GET'
      const signal = random() < 0.2 ? AbortSignal.timeout(Math.floor(random() * 100)) : undefined
      const response = await client.request('orders', '/', { method, signal, ...(method === 'POST' && { body: 'x' }) })
      const use = random()
      if (use < 0.6) await response.text()
      else if (use < 0.7) response.cancel()
      else if (use < 0.8) for await (const _ of response.body) if (random() < 0.5) break
    }

    const outcomes = await makeManyCalls(call, random)
    await eventually(() => expect(world.active()).toBe(0), 3_000)
    stop()
    expect(outcomes.responded).toBeGreaterThan(50)
    expect(outcomes.failed).toBeGreaterThan(50)
    expect([ended.size, new Set(ended.values())]).toEqual([400, new Set([1])])
  },
)

import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@sd/testing'
import { request, stream } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFetchTransport } from '../index.ts'
import { closedPort, createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

describe('client.fetch', () => {
  test('takes the host as the service name and resolves to a Response', async () => {
    await world.serve(async (incoming, response) => {
      let body = ''
      for await (const chunk of incoming) body += chunk
      response
        .writeHead(201, {
          'x-got': `${incoming.method} ${incoming.url} ${incoming.headers['x-a']}`,
          'set-cookie': ['a=1', 'b=2'],
        })
        .end(body)
    })
    const { fetch } = world.client()
    const response = await fetch('http://orders/a?b=c', { method: 'POST', body: 'text', headers: { 'X-A': '1' } })
    expect([response.status, response.headers.get('x-got')]).toEqual([201, 'POST /a?b=c 1'])
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(await response.text()).toBe('text')
    const streamed = await fetch(new Request('http://orders/', { method: 'PUT', body: new Blob(['blob']) }))
    expect(await streamed.text()).toBe('blob')
    expect(world.active()).toBe(0)
  })

  test('has a null body if the response has none, and can be aborted', async () => {
    await world.serve((incoming, response) => {
      if (incoming.url === '/none') response.writeHead(204).end()
    })
    const { fetch } = world.client()
    expect((await fetch('http://orders/none')).body).toBeNull()
    await expect(fetch('http://orders/', { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
      cause: { code: 'SD_ABORTED' },
    })
    expect(world.active()).toBe(0)
  })
})

describe('client.dispatcher', () => {
  test('serves undici code, balances, and counts active requests', async () => {
    await world.serve((_, response) => response.end('a'), { id: 'a' })
    await world.serve((_, response) => response.end('b'), { id: 'b' })
    const { dispatcher } = world.client()
    const bodies: string[] = []
    for (let index = 0; index < 4; index++) {
      const { body, statusCode } = await request('http://orders/x', { dispatcher })
      expect(statusCode).toBe(200)
      bodies.push(await body.text())
    }
    expect(bodies).toEqual(['a', 'b', 'a', 'b'])
    expect(world.active()).toBe(0)
    await dispatcher.close()
    await dispatcher.destroy()
  })

  test('picks another instance if a connection is refused or breaks', async () => {
    await world.register(await closedPort(), { id: 'a-dead' })
    await world.serve((incoming) => incoming.socket.destroy(), { id: 'b-broken' })
    await world.serve((_, response) => response.end('ok'), { id: 'c-alive' })
    const { dispatcher } = world.client()
    const { body } = await request('http://orders/', { dispatcher })
    expect(await body.text()).toBe('ok')
    await expect(request('http://orders/', { dispatcher, method: 'POST', body: 'x' })).rejects.toThrow()
    expect(world.active()).toBe(0)
  })

  test('applies the time limit of the service, and forwards aborts and pauses', async () => {
    await world.serve((incoming, response) => {
      if (incoming.url === '/large') response.end(Buffer.alloc(3_000_000))
    })
    const hasty = world.client({ timeoutMs: 150 }).dispatcher
    await expect(request('http://orders/', { dispatcher: hasty })).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    const { dispatcher } = world.client()
    await expect(request('http://orders/', { dispatcher, signal: AbortSignal.timeout(20) })).rejects.toThrow()
    let bytes = 0
    const { Writable } = await import('node:stream')
    await stream(
      'http://orders/large',
      { dispatcher, method: 'GET' },
      () =>
        new Writable({
          highWaterMark: 1_000,
          write(chunk, _, done) {
            bytes += chunk.length
            setImmediate(done)
          },
        }),
    )
    expect(bytes).toBe(3_000_000)
    expect(world.active()).toBe(0)
  })

  test('fails with a clear error without an instance, after close, and with another transport', async () => {
    const client = world.client()
    await expect(request('http://nobody/', { dispatcher: client.dispatcher })).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
    const { dispatcher } = client
    await client.close()
    await expect(request('http://orders/', { dispatcher })).rejects.toMatchObject({
      code: 'UND_ERR_CLOSED',
      cause: { code: 'SD_CLOSED' },
    })
    expect(() => world.client({ transport: createFetchTransport() }).dispatcher).toThrow(
      expect.objectContaining({ code: 'SD_UNSUPPORTED' }),
    )
  })

  test('forwards upgrades, which are active until the socket closes', async () => {
    const server = await world.serve(() => undefined)
    server.on('upgrade', (_, socket) =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\nhello'),
    )
    const { upgrade } = await import('undici')
    const { socket } = await upgrade('http://orders/', { dispatcher: world.client().dispatcher, protocol: 'test' })
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text).toBe('hello')
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}

describe('client.events', () => {
  test('yields events, and reconnects with the last event id', async () => {
    const lastIds: unknown[] = []
    await world.serve((incoming, response) => {
      lastIds.push(incoming.headers['last-event-id'])
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      if (lastIds.length === 1) response.end('retry: 20\n\nid: 1\nevent: note\ndata: a\ndata: b\n\nid: 2\ndata: c\n\n')
      else response.write('id: 3\ndata: d\n\n')
    })
    const controller = new AbortController()
    const events: unknown[] = []
    for await (const event of world.client().events('orders', '/', { signal: controller.signal, lastEventId: '0' })) {
      events.push(event)
      if (events.length === 3) controller.abort()
    }
    expect(events).toEqual([
      { event: 'note', data: 'a\nb', id: '1' },
      { event: 'message', data: 'c', id: '2' },
      { event: 'message', data: 'd', id: '3' },
    ])
    expect(lastIds).toEqual(['0', '2'])
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('a server that sends retry: 0 and ends its streams at once does not cause a busy loop', async () => {
    await world.serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('retry: 0\n\ndata: a\n\n')
    })
    const startedAt = performance.now()
    let count = 0
    for await (const _ of world.client().events('orders', '/')) if (++count === 6) break
    // At least 50 ms before each of the next five.
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(240)
  })

  test('ends at once when it is left while it waits, and on abort', async () => {
    await world.serve((_, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: a\n\n'))
    for (const leave of ['return', 'abort']) {
      const controller = new AbortController()
      const events = world.client().events('orders', '/', { signal: controller.signal })[Symbol.asyncIterator]()
      expect((await events.next()).value).toMatchObject({ data: 'a' })
      const waiting = events.next()
      if (leave === 'return') await events.return?.()
      else controller.abort()
      expect((await waiting).done).toBe(true)
    }
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('ends at 204, throws for other content, and continues after a 5xx', async () => {
    let requests = 0
    await world.serve((incoming, response) => {
      if (incoming.url === '/html') response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
      else if (incoming.url === '/gone') response.writeHead(404).end()
      else response.writeHead(++requests === 1 ? 503 : 204).end()
    })
    const client = world.client()
    const events = client.events('orders', '/', { retryMs: 10 })
    expect(await collect(events)).toEqual([])
    expect(requests).toBe(2)
    await expect(collect(client.events('orders', '/html'))).rejects.toMatchObject({ code: 'SD_MALFORMED' })
    await expect(collect(client.events('orders', '/gone'))).rejects.toMatchObject({ code: 'SD_HTTP_STATUS' })
  })

  test('respects the Retry-After of an overloaded server', async () => {
    const requests: number[] = []
    await world.serve((_, response) => {
      requests.push(performance.now())
      if (requests.length === 1) response.writeHead(429, { 'retry-after': '1' }).end()
      else response.writeHead(204).end()
    })
    expect(await collect(world.client().events('orders', '/', { retryMs: 10 }))).toEqual([])
    expect((requests[1] as number) - (requests[0] as number)).toBeGreaterThanOrEqual(950)
  })

  test('an event that does not end is rejected', async () => {
    await world.serve(async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.on('error', () => undefined)
      while (!response.destroyed) {
        response.write(`data: ${'x'.repeat(100_000)}\n`)
        await delay(1)
      }
    })
    await expect(collect(world.client().events('orders', '/'))).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
  })
})

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { readDeadline, SdError } from '@sd/core'
import { eventually } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createFetchTransport, type ServiceClientOptions } from './index.ts'
import { closedPort, createWorld, type World } from './testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.close())

async function readBody(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

/** Responds with the request as JSON. */
async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url, headers } = request
  const body = await readBody(request)
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ method, url, headers, body }))
}

const echoed = z.object({ method: z.string(), url: z.string(), headers: z.record(z.string(), z.string()), body: z.string() })

const transports: Record<string, () => Partial<ServiceClientOptions>> = {
  undici: () => ({}),
  fetch: () => ({ transport: createFetchTransport() }),
}

describe.each(Object.entries(transports))('over %s', (transportName, makeOptions) => {
  test('every method reaches the service with path, query, header fields and body', async () => {
    await world.serve(echo)
    const client = world.client({ ...makeOptions(), headers: { 'X-Client': 'a', 'x-both': 'client' } })
    const got = await (
      await client.get('orders', '/a?x=1', { query: { y: 'b c', z: ['1', '2'] }, headers: { 'X-Both': 'call' } })
    ).json(echoed)
    expect(got).toMatchObject({ method: 'GET', url: '/a?x=1&y=b+c&z=1&z=2', body: '' })
    expect(got.headers).toMatchObject({ 'x-client': 'a', 'x-both': 'call' })
    for (const method of ['post', 'put', 'patch'] as const) {
      const sent = await (await client[method]('orders', '/b', { json: { a: [1] } })).json(echoed)
      expect(sent).toMatchObject({ method: method.toUpperCase(), body: '{"a":[1]}' })
      expect(sent.headers['content-type']).toBe('application/json')
    }
    expect(await (await client.delete('orders', '/c')).json(echoed)).toMatchObject({ method: 'DELETE', url: '/c' })
    expect((await client.request('orders', '/d', { method: 'head' })).status).toBe(200)
    expect(world.active()).toBe(0)
  })

  test('every kind of body can be sent', async () => {
    await world.serve(echo)
    const client = world.client(makeOptions())
    const form = new FormData()
    form.set('name', 'value')
    const send = async (body: Parameters<typeof client.post>[2]) => (await client.post('orders', '/', body)).json(echoed)
    expect((await send({ body: 'text' })).body).toBe('text')
    expect((await send({ body: new TextEncoder().encode('bytes') })).body).toBe('bytes')
    expect((await send({ body: new TextEncoder().encode('buffer').buffer })).body).toBe('buffer')
    expect((await send({ body: new URLSearchParams({ a: 'b' }) })).body).toBe('a=b')
    expect((await send({ body: new Blob(['blob'], { type: 'text/x' }) })).headers['content-type']).toBe('text/x')
    expect((await send({ body: form })).body).toContain('name="name"')
    if (transportName === 'undici') {
      expect((await send({ body: Readable.from([Buffer.from('stre'), Buffer.from('am')]) })).body).toBe('stream')
    }
    expect((await send({ body: new Blob(['web']).stream() })).body).toBe('web')
    await expect(client.post('orders', '/', { body: 1 as never })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'body' })
    await expect(client.post('orders', '/', { body: 'a', json: 1 })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'body' })
  })

  test('a large body arrives completely, with back-pressure', async () => {
    const chunk = Buffer.alloc(65_536, 'x')
    await world.serve(async (_, response) => {
      for (let index = 0; index < 64; index++) if (!response.write(chunk)) await once(response, 'drain')
      response.end()
    })
    const response = await world.client(makeOptions()).get('orders', '/')
    let bytes = 0
    for await (const part of response.body) {
      bytes += part.length
      if (bytes < 200_000) await delay(1)
    }
    expect(bytes).toBe(64 * 65_536)
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('a response over the size limit is rejected', async () => {
    await world.serve((_, response) => response.end(Buffer.alloc(200_000)))
    const client = world.client({ ...makeOptions(), maxResponseBytes: 100_000 })
    const response = await client.get('orders', '/')
    await expect(response.bytes()).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('after a refused connection another endpoint is tried, with any method and with a stream', async () => {
    await world.register(await closedPort(), { id: 'a-dead' })
    await world.serve(echo, { id: 'b-alive' })
    const client = world.client(makeOptions())
    const response = await client.post('orders', '/', {
      body: transportName === 'undici' ? Readable.from([Buffer.from('up')]) : 'up',
    })
    expect([response.attempts, response.endpoint.instance.id]).toEqual([2, 'b-alive'])
    expect((await response.json(echoed)).body).toBe('up')
    expect(world.active()).toBe(0)
  })

  test('after a broken connection only an idempotent method is repeated', async () => {
    await world.serve((request) => request.socket.destroy(), { id: 'a-broken' })
    await world.serve(echo, { id: 'b-alive' })
    const client = world.client({ ...makeOptions(), balancer: { name: 'first', createPicker: firstPicker } })
    expect((await client.get('orders', '/')).attempts).toBe(2)
    await expect(client.post('orders', '/', { body: 'x' })).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    expect(world.active()).toBe(0)
  })

  test('if every endpoint fails, the error is the last failure, with service and instance', async () => {
    await world.register(await closedPort(), { id: 'dead-1' })
    await world.register(await closedPort(), { id: 'dead-2' })
    await expect(world.client(makeOptions()).get('orders', '/')).rejects.toThrow(/Calling orders \(dead-\d\) failed/)
    expect(world.active()).toBe(0)
  })

  test('the deadline ends a call that waits for the head, and one that waits for the body', async () => {
    await world.serve((request, response) => {
      if (request.url === '/body') response.write('part')
    })
    const client = world.client({ ...makeOptions(), timeoutMs: 150 })
    await expect(client.get('orders', '/head')).rejects.toMatchObject({
      code: 'SD_DEADLINE_EXCEEDED',
      message: 'Calling orders took longer than 150 ms',
    })
    const response = await client.get('orders', '/body')
    await expect(response.text()).rejects.toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    expect(world.active()).toBe(0)
  })

  test('an abort ends a call at once, in every phase', async () => {
    let requests = 0
    await world.serve((request, response) => {
      requests++
      if (request.url === '/body') response.write('part')
    })
    const client = world.client(makeOptions())
    await expect(client.get('orders', '/', { signal: AbortSignal.abort('why') })).rejects.toMatchObject({
      code: 'SD_ABORTED',
      cause: 'why',
    })
    expect(requests).toBe(0)
    const head = new AbortController()
    const waiting = client.get('orders', '/head', { signal: head.signal })
    await eventually(() => expect(requests).toBe(1), 1_000)
    head.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'SD_ABORTED' })
    const body = new AbortController()
    const response = await client.get('orders', '/body', { signal: body.signal })
    const reading = response.text()
    body.abort()
    await expect(reading).rejects.toMatchObject({ code: 'SD_ABORTED' })
    expect(world.active()).toBe(0)
  })

  test('an unread body completes by itself if it is small, and ends at the deadline if it is large', async () => {
    await world.serve((request, response) => response.end(Buffer.alloc(request.url === '/small' ? 1_000 : 5_000_000)))
    const client = world.client({ ...makeOptions(), timeoutMs: 1_500 })
    await client.get('orders', '/small')
    await eventually(() => expect(world.active()).toBe(0), 1_000)
    await client.get('orders', '/large')
    expect(world.active()).toBe(1)
    await eventually(() => expect(world.active()).toBe(0), 4_000)
  })

  test('cancel drops the rest of a body, and a body can be read once', async () => {
    await world.serve((_, response) => response.end(Buffer.alloc(5_000_000)))
    const client = world.client(makeOptions())
    const response = await client.get('orders', '/')
    response.cancel()
    await expect(response.text()).rejects.toMatchObject({ code: 'SD_INVALID' })
    const left = await client.get('orders', '/')
    for await (const _ of left.body) break
    const reader = (await client.get('orders', '/')).stream().getReader()
    await reader.read()
    await reader.cancel()
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })

  test('a response without a body is empty, and one whose peer dies in the middle is an error', async () => {
    await world.serve((request, response) => {
      if (request.url === '/none') response.writeHead(204).end()
      else response.writeHead(200, { 'content-length': '1000' }).write('part', () => request.socket.destroy())
    })
    const client = world.client(makeOptions())
    expect(await (await client.get('orders', '/none')).text()).toBe('')
    const response = await client.get('orders', '/half')
    await expect(response.text()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    expect(world.active()).toBe(0)
  })
})

const firstPicker: NonNullable<ServiceClientOptions['balancer']>['createPicker'] = ({ endpoints }) => ({
  pick: ({ attempted = [] }) => endpoints.find((endpoint) => !attempted.includes(endpoint)),
})

describe('responses', () => {
  test('a schema validates JSON, and its errors name the path', async () => {
    await world.serve((request, response) =>
      response.end(request.url === '/good' ? '{"total":"3"}' : request.url === '/bad' ? '{"total":{}}' : '<html>'),
    )
    const client = world.client()
    const schema = z.object({ total: z.coerce.number() })
    expect(await (await client.get('orders', '/good')).json(schema)).toEqual({ total: 3 })
    await expect((await client.get('orders', '/bad')).json(schema)).rejects.toThrow(
      /orders \(.*\) returned unexpected JSON: total:/,
    )
    await expect((await client.get('orders', '/none')).json()).rejects.toMatchObject({ code: 'SD_MALFORMED' })
  })

  test('a status that is not 2xx throws only in ensureOk', async () => {
    await world.serve((_, response) => response.writeHead(503).end('busy'))
    const client = world.client()
    const response = await client.get('orders', '/')
    expect([response.status, response.ok, await response.text()]).toEqual([503, false, 'busy'])
    const again = await client.get('orders', '/')
    expect(() => again.ensureOk()).toThrow(expect.objectContaining({ code: 'SD_HTTP_STATUS', retryable: true }))
  })

  test('compressed responses are decompressed if configured', async () => {
    const { gzipSync } = await import('node:zlib')
    await world.serve((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('hello')))
    expect(await (await world.client({ decompress: true }).get('orders', '/')).text()).toBe('hello')
    await world.serve(echo, { service: 'echo' })
    const received = await (await world.client({ decompress: true }).get('echo', '/')).json(echoed)
    expect(received.headers['accept-encoding']).toBe('gzip, deflate, br')
    expect((await (await world.client().get('orders', '/')).bytes())[0]).toBe(0x1f)
  })
})

describe('deadlines', () => {
  test('the remaining time is sent, and the next call inherits it', async () => {
    const seen: number[] = []
    await world.serve((request, response) => {
      const deadlineAt = readDeadline(request.headers) ?? Number.NaN
      seen.push(deadlineAt - performance.now())
      response.end()
    })
    const client = world.client({ timeoutMs: 50_000, services: { orders: { timeoutMs: 30_000 } } })
    await client.get('orders', '/')
    await client.get('orders', '/', { timeoutMs: 10_000 })
    await client.get('orders', '/', { deadlineAt: performance.now() + 5_000 })
    await client.get('orders', '/', { timeoutMs: 0 })
    expect(seen[0]).toBeGreaterThan(10_000)
    expect(seen[0]).toBeLessThanOrEqual(30_000)
    expect(seen[1]).toBeLessThanOrEqual(10_000)
    expect(seen[2]).toBeLessThanOrEqual(5_000)
    expect(seen[3]).toBeNaN()
    expect(readDeadline({ 'x-request-timeout-ms': '-1' })).toBeUndefined()
  })

  test('a deadline that has passed ends the call before anything is sent', async () => {
    const listener = vi.fn()
    await world.serve(listener)
    await expect(world.client().get('orders', '/', { deadlineAt: performance.now() - 1 })).rejects.toMatchObject({
      code: 'SD_DEADLINE_EXCEEDED',
    })
    expect(listener).not.toHaveBeenCalled()
  })

  test('connecting to an address that does not respond ends at the deadline, before the connect timeout', async () => {
    const { createServer } = await import('node:net')
    // A full backlog: the kernel drops further connections.
    const silent = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 })
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    await world.register(port)
    const startedAt = performance.now()
    await expect(world.client({ connections: 1 }).get('orders', '/', { timeoutMs: 200 })).rejects.toMatchObject({
      code: 'SD_DEADLINE_EXCEEDED',
    })
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    silent.close()
  })
})

describe('interceptors', () => {
  test('wrap calls and attempts, the first outermost, and may change the path and header fields', async () => {
    await world.register(await closedPort(), { id: 'a-dead' })
    await world.serve(echo, { id: 'b-alive' })
    const order: string[] = []
    const client = world.client({
      interceptors: {
        call: [
          async (call, next) => {
            order.push('call 1 in')
            call.headers['x-trace'] = 't1'
            call.path = `/v2${call.path}`
            const response = await next()
            order.push('call 1 out')
            return response
          },
          async (call, next) => {
            order.push(`call 2 ${call.signal.aborted}`)
            return next()
          },
        ],
        attempt: [
          async ({ attempt, endpoint, headers }, next) => {
            order.push(`attempt ${attempt} ${endpoint.instance.id}`)
            headers['x-attempt'] = String(attempt)
            return next()
          },
        ],
      },
    })
    const { url, headers } = await (await client.get('orders', '/a')).json(echoed)
    expect(url).toBe('/v2/a')
    expect(headers).toMatchObject({ 'x-trace': 't1', 'x-attempt': '2' })
    expect(order).toEqual(['call 1 in', 'call 2 false', 'attempt 1 a-dead', 'attempt 2 b-alive', 'call 1 out'])
  })

  test('may respond themselves, map errors, and leave nothing open', async () => {
    await world.serve((_, response) => response.end(Buffer.alloc(1_000_000)))
    const endpoint = () => world.discovery.cluster('orders').view.endpoints[0]
    const cached = world.client({
      interceptors: {
        call: [
          async () => ({ status: 200, headers: {}, endpoint: endpoint() as never, body: Readable.from([Buffer.from('cached')]) }),
        ],
      },
    })
    await cached.get('orders', '/').then(async (response) => expect(await response.text()).toBe('cached'))
    const failing = world.client({
      interceptors: {
        call: [
          async (_, next) => {
            await next()
            throw new SdError('X_TEAPOT', 'mapped')
          },
        ],
      },
    })
    await expect(failing.get('orders', '/')).rejects.toMatchObject({ code: 'X_TEAPOT' })
    await eventually(() => expect(world.active()).toBe(0), 1_000)
  })
})

describe('retry policies', () => {
  test('judge responses before the caller receives them, may set a delay, and see every attempt', async () => {
    let requests = 0
    await world.serve((_, response) => response.writeHead(++requests < 3 ? 503 : 200, { 'retry-after': '0' }).end('x'))
    const seen: unknown[] = []
    const client = world.client({
      retry: {
        name: 'test',
        next: ({ attempt, response, replayable, sent }) => {
          seen.push([attempt, response?.status, replayable, sent])
          return response && response.status >= 500 && attempt < 5 ? 5 : undefined
        },
      },
    })
    const response = await client.get('orders', '/')
    expect([response.status, response.attempts]).toEqual([200, 3])
    expect(seen).toEqual([
      [1, 503, true, true],
      [2, 503, true, true],
      [3, 200, true, true],
    ])
    await response.text()
    expect(world.active()).toBe(0)
  })
})

describe('closing and invalid input', () => {
  test('a closed client rejects calls, waits for those in progress, and may be closed again', async () => {
    await world.serve((_, response) => void setTimeout(() => response.end('late'), 50))
    const client = world.client({ closeTimeoutMs: 10_000 })
    const under = client.get('orders', '/')
    await eventually(() => expect(world.active()).toBe(1), 1_000)
    const closing = Promise.all([client.close(), client.close()])
    await expect(client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(await (await under).text()).toBe('late')
    await closing
  })

  test('a hanging call is ended when the client closes', async () => {
    await world.serve(() => undefined)
    const client = world.client({ closeTimeoutMs: 50 })
    const hanging = client.get('orders', '/')
    hanging.catch(() => undefined)
    await eventually(() => expect(world.active()).toBe(1), 1_000)
    await client.close()
    await expect(hanging).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('errors for invalid options and requests name the field', async () => {
    await world.serve(echo)
    expect(() => world.client({ timeoutMs: -1 })).toThrow('Invalid timeoutMs')
    expect(() => world.client({ services: { orders: { timeout: 1 } as never } })).toThrow(
      'Invalid services.orders.timeout: unknown field',
    )
    expect(() => world.client({ balancer: undefined as never })).toThrow('Invalid balancer')
    expect(() => world.client({ interceptors: { call: [1 as never] } })).toThrow('Invalid interceptors.call[0]')
    const client = world.client()
    const field = (name: string) => expect.objectContaining({ code: 'SD_INVALID', field: name })
    await expect(client.get('orders', 'http://evil/')).rejects.toEqual(field('path'))
    await expect(client.get('', '/')).rejects.toEqual(field('service'))
    await expect(client.get('orders', '/', { headers: { authorization: 1 as never } })).rejects.toEqual(
      field('headers.authorization'),
    )
    await expect(client.get('orders', '/', { retries: 1 } as never)).rejects.toEqual(field('retries'))
    await expect(client.request('orders', '/', { method: 'GET /' })).rejects.toEqual(field('method'))
    await expect(client.get('orders', '/', { deadlineAt: Number.NaN })).rejects.toEqual(field('deadlineAt'))
    await expect(client.get('nobody', '/')).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
    await expect(client.get('orders', '/', { headers: { 'bad name': 'x' } })).rejects.toMatchObject({ code: 'SD_INVALID' })
    expect(world.active()).toBe(0)
  })
})

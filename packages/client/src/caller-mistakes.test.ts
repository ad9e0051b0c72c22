import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import { type AttemptContext, type EndpointMonitor, type Interceptor, judgeOutcome, type Outcome, SdError } from '@sd/core'
import { createDiscovery } from '@sd/discovery'
import { createOutlierDetection } from '@sd/outlier-detection'
import { createRetryPolicy } from '@sd/retry'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFetchTransport, createServiceClient, type RequestOptions, resilient, type ServiceClient } from './index.ts'
import { createWorld, type World } from './testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
const opened: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]()
  await world.close()
})

const transports: Readonly<Record<string, readonly [protocol: string, () => object]>> = {
  undici: ['http', () => ({})],
  fetch: ['http', () => ({ transport: createFetchTransport() })],
  'HTTP/2': ['h2c', () => ({})],
}
const breakers = { opossum: createOpossumBreaker, cockatiel: createCockatielBreaker }

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a')
  throw new Error('the browser disconnected')
}

/** Mistakes and aborts of callers: [error code, request]. `undefined` as the code: the request is corrected, and succeeds. */
const mistakes: Readonly<
  Record<string, readonly [string | undefined, () => { path?: string; method?: string } & RequestOptions]>
> = {
  'a header value with a line break': ['SD_INVALID', () => ({ headers: { 'x-user': 'a\nb' } })],
  'a header value beyond Latin-1': ['SD_INVALID', () => ({ headers: { 'x-user': 'Zoë €' } })],
  'a header name with a space': ['SD_INVALID', () => ({ headers: { 'x user': 'a' } })],
  'a path with a space': ['SD_INVALID', () => ({ path: '/search/a b' })],
  'a path with an accent': [undefined, () => ({ path: '/search/ü' })],
  'a method that is not a token': ['SD_INVALID', () => ({ method: 'GET /' })],
  'a body that can’t be sent': ['SD_INVALID', () => ({ method: 'POST', body: 5 as never })],
  expect: [undefined, () => ({ method: 'POST', body: 'x', headers: { expect: '100-continue' } })],
  'transfer-encoding': [undefined, () => ({ method: 'POST', body: 'x', headers: { 'transfer-encoding': 'chunked' } })],
  'an upgrade to h2c': [undefined, () => ({ headers: { connection: 'upgrade', upgrade: 'h2c' } })],
  'keep-alive': [undefined, () => ({ headers: { 'keep-alive': 'timeout=5' } })],
  'a content-length that is too small': [
    undefined,
    () => ({ method: 'POST', body: 'hello', headers: { 'content-length': '2' } }),
  ],
  'a content-length that is too large': [
    undefined,
    () => ({ method: 'POST', body: 'hello', headers: { 'content-length': '20' } }),
  ],
  'a content-length that is not a number': [undefined, () => ({ method: 'POST', body: 'a', headers: { 'content-length': 'x' } })],
  'a content-length without a body': [undefined, () => ({ headers: { 'content-length': '5' } })],
  'a content-length that a stream does not match': [
    'SD_INVALID',
    () => ({ method: 'POST', body: Readable.from([Buffer.from('hello')]), headers: { 'content-length': '2' } }),
  ],
  'a generator that throws': ['SD_ABORTED', () => ({ method: 'POST', body: failing() })],
  'a generator that yields a number': [
    'SD_INVALID',
    () => ({
      method: 'POST',
      body: (async function* () {
        yield 5 as never
      })(),
    }),
  ],
  'an upload that breaks off': [
    'SD_ABORTED',
    () => {
      const body = new Readable({ read() {} })
      body.push('part')
      setTimeout(() => body.destroy(), 2)
      return { method: 'PUT', body }
    },
  ],
  'an upload that ends with an error': [
    'SD_ABORTED',
    () => {
      const body = new Readable({ read() {} })
      body.push('part')
      setTimeout(() => body.destroy(new Error('ECONNRESET of the browser')), 2)
      return { method: 'PUT', body }
    },
  ],
  'a web stream that errors': [
    'SD_ABORTED',
    () => ({
      method: 'POST',
      body: new ReadableStream({
        pull(controller) {
          controller.error(new Error('lost'))
        },
      }),
    }),
  ],
  'a web stream with another reader': [
    'SD_ABORTED',
    () => {
      const body = new ReadableStream()
      body.getReader()
      return { method: 'POST', body }
    },
  ],
  'a deadline of 1 ms': ['SD_DEADLINE_EXCEEDED', () => ({ path: '/slow', deadlineAt: performance.now() + 1 })],
  'a deadline of 5 ms': ['SD_DEADLINE_EXCEEDED', () => ({ path: '/slow', deadlineAt: performance.now() + 5 })],
  'a time limit of 3 ms': ['SD_DEADLINE_EXCEEDED', () => ({ path: '/slow', timeoutMs: 3 })],
  'a deadline that has passed': ['SD_DEADLINE_EXCEEDED', () => ({ deadlineAt: performance.now() - 1 })],
  'an abort': ['SD_ABORTED', () => ({ path: '/slow', signal: AbortSignal.timeout(2) })],
}

async function serveHttp2(listener: RequestListener, id: string): Promise<void> {
  const server = createServer(listener as never)
  server.on('session', (session) => session.on('error', () => undefined))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push({ [Symbol.asyncDispose]: async () => void server.close() })
  await world.register((server.address() as AddressInfo).port, { id, protocol: 'h2c' })
}

/** Two instances, breakers of both kinds, outlier detection that ejects after five errors. */
async function setUp(
  breaker: typeof createOpossumBreaker,
  protocol: string,
  transport: object,
): Promise<{ client: ServiceClient; isUntouched: () => void }> {
  for (const id of ['a', 'b']) {
    const listener: RequestListener = (request, response) => {
      request.resume()
      if (request.url === '/report') setTimeout(() => response.end('late'), 400)
      else if (request.url === '/slow') setTimeout(() => response.end('late'), 30)
      else request.on('end', () => response.end('good'))
    }
    if (protocol === 'http') await world.serve(listener, { id })
    else await serveHttp2(listener, id)
  }
  const failures: Outcome[] = []
  const recorder: EndpointMonitor = {
    name: 'recorder',
    attach: () => ({
      observe: (_endpoint, outcome) => judgeOutcome(outcome) === 'failure' && failures.push(outcome),
      close() {},
    }),
  }
  const discovery = createDiscovery({ source: world.registry, coalesceMs: 0, monitors: [createOutlierDetection(), recorder] })
  const client = createServiceClient({
    discovery,
    balancer: createRoundRobinBalancer(),
    closeTimeoutMs: 200,
    ...resilient({ breaker, retry: createRetryPolicy }),
    // On a busy machine the limit that resilient() measures could pass, which counts against an instance.
    attemptTimeoutMs: 10_000,
    ...transport,
  })
  opened.push(client, discovery)
  return {
    client,
    isUntouched() {
      const { endpoints } = discovery.cluster('orders').explain()
      expect(failures).toEqual([])
      expect(endpoints.map(({ dropped }) => dropped)).toEqual([undefined, undefined])
      expect(client.breaker('orders')?.state).toBe('closed')
      for (const id of ['a', 'b']) expect(client.breaker('orders', id)?.state ?? 'closed').toBe('closed')
      expect(endpoints.map(({ endpoint }) => endpoint.active)).toEqual([0, 0])
    },
  }
}

test.each(Object.entries(transports))(
  'over %s: an invalid field that an interceptor sets is not in the error',
  async (_, [protocol, transport]) => {
    const attempt: Interceptor<AttemptContext> = (context, next) => {
      context.headers['x-token'] = 'SECRET\n'
      return next()
    }
    const { client, isUntouched } = await setUp(createOpossumBreaker, protocol, {
      ...transport(),
      interceptors: { attempt: [attempt] },
    })
    for (let call = 0; call < 60; call++) {
      const error = await client.get('orders', '/').catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'SD_INVALID', origin: 'caller' })
      expect(inspect(error)).not.toContain('SECRET')
    }
    isUntouched()
  },
)

describe.each(Object.entries(transports))('over %s', (_, [protocol, transport]) => {
  describe.each(Object.entries(breakers))('with %s', (_name, breaker) => {
    test.each(Object.entries(mistakes))('120 × %s count against no instance', async (_mistake, [code, make]) => {
      const { client, isUntouched } = await setUp(breaker, protocol, transport())
      const codes = new Set<unknown>()
      for (let batch = 0; batch < 3; batch++) {
        const calls = Array.from({ length: 40 }, async () => {
          const { path = '/', ...options } = make()
          return (await client.request('orders', path, options)).text()
        })
        for (const settled of await Promise.allSettled(calls)) {
          codes.add(settled.status === 'fulfilled' ? undefined : settled.reason.code)
        }
      }
      expect([...codes]).toEqual([code])
      expect(await (await client.get('orders', '/')).text()).toBe('good')
      isUntouched()
    })

    test.each<[string, () => Error]>([
      ['an error', () => new Error('a mistake')],
      ['the error of another service', () => new SdError('SD_UNAVAILABLE', 'No token')],
    ])('120 × %s of an attempt interceptor counts against no instance', async (_what, makeError) => {
      const interceptor: Interceptor<AttemptContext> = ({ call }, next) =>
        call.path === '/mistake' ? Promise.reject(makeError()) : next()
      const { client, isUntouched } = await setUp(breaker, protocol, {
        ...transport(),
        interceptors: { attempt: [interceptor] },
      })
      const calls = Array.from({ length: 120 }, () => client.get('orders', '/mistake'))
      for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
      expect(await (await client.get('orders', '/')).text()).toBe('good')
      isUntouched()
    })

    test.each([true, false])(
      '120 × a deadline that is too short for a slow operation counts against no instance, called before: %s',
      async (wasSeen) => {
        const { client, isUntouched } = await setUp(breaker, protocol, transport())
        for (let call = 0; call < 20; call++) await (await client.get('orders', '/')).bytes()
        if (wasSeen) for (let call = 0; call < 10; call++) await (await client.get('orders', '/report')).bytes()
        for (let batch = 0; batch < 3; batch++) {
          const calls = Array.from({ length: 40 }, () => client.get('orders', '/report', { deadlineAt: performance.now() + 150 }))
          for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
        }
        expect(await (await client.get('orders', '/')).text()).toBe('good')
        isUntouched()
      },
    )

    test('120 × an attempt limit that the call sets too short counts against no instance', async () => {
      const { client, isUntouched } = await setUp(breaker, protocol, transport())
      for (let call = 0; call < 20; call++) await (await client.get('orders', '/slow')).bytes()
      let tooShort = 0
      for (let batch = 0; batch < 3; batch++) {
        const calls = Array.from({ length: 40 }, () => client.get('orders', '/slow', { attemptTimeoutMs: 1 }))
        for (const { status } of await Promise.allSettled(calls)) if (status === 'rejected') tooShort++
      }
      // A stall of this process is not charged to the attempts, so a few may succeed.
      expect(tooShort).toBeGreaterThan(60)
      expect(await (await client.get('orders', '/')).text()).toBe('good')
      isUntouched()
    })

    test('120 × the size limit of the client counts against no instance', async () => {
      const { client, isUntouched } = await setUp(breaker, protocol, { ...transport(), maxResponseBytes: 1 })
      for (let call = 0; call < 120; call++) {
        const response = await client.get('orders', '/')
        await expect(response.text()).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
      }
      isUntouched()
    })
  })
})

import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { type RateLimiter, SdError, subscribeTelemetry, type TelemetryEvents } from '@sd/core'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createServerLimits, type ServerLimits, type ServerLimitsOptions } from './index.ts'
import { ask, serveLimited, until } from './testing/serve.ts'

/** Holds all requests until they are released. */
function createHold() {
  const held: ServerResponse[] = []
  return {
    held,
    application: (_: unknown, response: ServerResponse) => void held.push(response),
    release() {
      for (const response of held.splice(0)) response.end('served')
    },
  }
}

function oneCall(): RateLimiter {
  return createMemoryRateLimiter({ limit: 1, windowMs: 3_600_000 })
}

function watchRefusals(): TelemetryEvents['sd:v1:server:refused'][] {
  const refusals: TelemetryEvents['sd:v1:server:refused'][] = []
  onTestFinished(subscribeTelemetry('sd:v1:server:refused', (event) => refusals.push(event)))
  return refusals
}

describe('rate', () => {
  test('identifies a caller by its normalized address, and by its network for IPv6', async () => {
    const statusOf = async (limits: ServerLimits, remoteAddress: string): Promise<number> =>
      (await limits.admit({ method: 'GET', path: '/', headers: {}, remoteAddress })).refusal?.status ?? 200
    for (const [first, same, other] of [
      ['192.0.2.1', '::ffff:192.0.2.1', '::ffff:192.0.2.2'],
      ['::FFFF:C000:0201', '192.0.2.1', '192.0.2.2'],
      ['2001:db8::1', '2001:DB8:0:0:ffff::2', '2001:db8:0:1::1'],
      ['fe80::1%eth0', 'fe80::2%eth0', '::1'],
    ] as const) {
      const limits = createServerLimits({ rate: { limiter: oneCall() } })
      expect(await statusOf(limits, first)).toBe(200)
      expect(await statusOf(limits, same)).toBe(429)
      expect(await statusOf(limits, other)).toBe(200)
      limits.close()
    }
  })

  test('a server that also listens on IPv6 passes plain IPv4 addresses', async () => {
    const seen: unknown[] = []
    const limits = createServerLimits({ exempt: ({ remoteAddress }) => seen.push(remoteAddress) > 0 })
    const server = createServer(limits.handler((_, response) => void response.end()))
    await once(server.listen(0), 'listening')
    onTestFinished(() => void server.close())
    await ask((server.address() as AddressInfo).port)
    expect(seen).toEqual(['127.0.0.1'])
  })

  test('a caller over its rate gets 429 with the time to retry', async () => {
    const refusals = watchRefusals()
    const key: NonNullable<ServerLimitsOptions['rate']>['key'] = ({ headers }) => headers['x-user'] as string
    const { port } = await serveLimited({ name: 'orders', rate: { limiter: oneCall(), key } }, (_, response) =>
      response.end('served'),
    )
    const alice = { headers: { 'x-user': 'alice' } }
    expect(await ask(port, alice)).toMatchObject({ status: 200, text: 'served' })
    const refused = await ask(port, alice)
    expect(refused).toMatchObject({
      status: 429,
      headers: {
        'retry-after': '3600',
        ratelimit: '"orders";r=0;t=3600',
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
      },
    })
    expect(JSON.parse(refused.text)).toEqual({
      type: 'about:blank',
      title: 'Too Many Requests',
      status: 429,
      detail: 'The caller has exceeded its rate limit.',
      code: 'SD_REJECTED',
    })
    expect(await ask(port, { headers: { 'x-user': 'bob' } })).toMatchObject({ status: 200 })
    // A request without a key is not limited.
    expect(await ask(port)).toMatchObject({ status: 200 })
    expect(await ask(port)).toMatchObject({ status: 200 })
    expect(refusals).toEqual([{ server: 'orders', reason: 'rate-limit', method: 'GET', priority: undefined }])
  })

  test('the default key is the address of the connection', async () => {
    const { port } = await serveLimited({ rate: { limiter: oneCall() } }, (_, response) => response.end())
    expect(await ask(port)).toMatchObject({ status: 200 })
    expect(await ask(port)).toMatchObject({ status: 429 })
  })

  test('invented keys never block a real caller, and the table stays bounded', async () => {
    const limiter = createMemoryRateLimiter({ limit: 2, windowMs: 3_600_000, maxKeys: 1_000 })
    const { limits } = await serveLimited({ rate: { limiter, key: ({ path }) => path } }, () => undefined)
    const admit = async (path: string): Promise<number> =>
      (await limits.admit({ method: 'GET', path, headers: {} })).refusal?.status ?? 200
    expect(await admit('/real')).toBe(200)
    for (let index = 0; index < 10_000; index++) expect(await admit(`/made-up-${index}`)).toBe(200)
    expect(await admit('/real')).toBe(200)
  })

  test('a key that is too long for limiters still identifies its caller', async () => {
    const { port } = await serveLimited(
      { rate: { limiter: oneCall(), key: ({ headers }) => headers['x-key'] as string } },
      (_, response) => response.end(),
    )
    const long = (end: string) => ask(port, { headers: { 'x-key': `${'k'.repeat(5_000)}${end}` } })
    expect((await long('a')).status).toBe(200)
    expect((await long('b')).status).toBe(200)
    expect((await long('a')).status).toBe(429)
  })

  test.each<[string, RateLimiter['acquire']]>([
    ['rejects', () => Promise.reject(new SdError('SD_UNAVAILABLE', 'redis is unreachable'))],
    [
      'throws',
      () => {
        throw new Error('no limiter')
      },
    ],
  ])('a limiter that %s admits every request and is reported', async (_, acquire) => {
    const errors: string[] = []
    const limiter = { name: 'broken', acquire } as RateLimiter
    const { port } = await serveLimited({ rate: { limiter }, onError: ({ code }) => errors.push(code) }, (_request, response) =>
      response.end(),
    )
    expect(await ask(port)).toMatchObject({ status: 200 })
    expect(errors).toEqual(['SD_UNAVAILABLE'])
  })

  test('waits for an asynchronous limiter', async () => {
    const memory = oneCall()
    const limiter: RateLimiter = {
      name: 'far',
      acquire: memory.acquire,
      close: memory.close,
      [Symbol.asyncDispose]: memory.close,
    }
    const { port } = await serveLimited({ rate: { limiter, cost: () => 1 } }, (_, response) => response.end())
    expect(await ask(port)).toMatchObject({ status: 200, headers: {} })
    expect(await ask(port)).toMatchObject({ status: 429 })
  })
})

describe('places', () => {
  test('a request over capacity is refused before its body is read, and the connection stays open', async () => {
    const { held, application, release } = createHold()
    const concurrency = createBulkhead({ maxConcurrent: 1 })
    const { port } = await serveLimited({ name: 'orders', concurrency, random: () => 0.5 }, application)
    const first = ask(port)
    await until(() => held.length === 1, 'the first is held')
    // The body is announced but never sent. The response arrives anyway.
    const socket = connect(port, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n')
    const [head] = (await once(socket, 'data')) as [Buffer]
    expect(head.toString()).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n[\s\S]*retry-after: 2\r\n[\s\S]*SD_REJECTED/i)
    socket.write('12345GET /health HTTP/1.1\r\nhost: a\r\n\r\n')
    await until(() => held.length === 2, 'health on the same connection is served')
    release()
    expect(await first).toMatchObject({ status: 200, text: 'served' })
    socket.destroy()
    await until(() => concurrency.statistics().active === 0, 'no place is taken')
  })

  test('a refused upload gets its response although it is large', async () => {
    const { held, application, release } = createHold()
    const { port } = await serveLimited({ concurrency: createBulkhead({ maxConcurrent: 1 }) }, application)
    const first = ask(port)
    await until(() => held.length === 1, 'the first is held')
    const body = new Uint8Array(8_000_000)
    for (let round = 0; round < 5; round++) {
      const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body })
      expect(answer.status).toBe(503)
      expect(await answer.json()).toMatchObject({ code: 'SD_REJECTED' })
    }
    release()
    await first
  })

  test('a caller that sends Expect: 100-continue is asked to continue only if admitted', async () => {
    const { held, application, release } = createHold()
    const { port } = await serveLimited({ concurrency: createBulkhead({ maxConcurrent: 1 }) }, application)
    const expecting = 'POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n'
    const first = connect(port, '127.0.0.1')
    first.write(expecting)
    expect(String((await once(first, 'data'))[0])).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    await until(() => held.length === 1, 'the first is held')
    const second = connect(port, '127.0.0.1')
    second.write(expecting)
    expect(String((await once(second, 'data'))[0])).toMatch(/^HTTP\/1\.1 503 /)
    release()
    for (const socket of [first, second]) socket.destroy()
  })

  test('requests wait in the queue, and leave it when their callers disconnect', async () => {
    const { held, application, release } = createHold()
    const concurrency = createBulkhead({ maxConcurrent: 1, maxQueued: 2, queueTimeoutMs: 20_000 })
    const { port } = await serveLimited({ concurrency }, application)
    const first = ask(port)
    await until(() => held.length === 1, 'the first is held')
    const leaving = connect(port, '127.0.0.1')
    leaving.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until(() => concurrency.statistics().queued === 1, 'one waits')
    const third = ask(port)
    await until(() => concurrency.statistics().queued === 2, 'two wait')
    expect(await ask(port)).toMatchObject({ status: 503 })
    leaving.destroy()
    await until(() => concurrency.statistics().queued === 1, 'one has left')
    release()
    await first
    await until(() => held.length === 1, 'the next is served')
    release()
    expect(await third).toMatchObject({ status: 200 })
    expect(concurrency.statistics()).toMatchObject({ active: 0, queued: 0, aborted: 1 })
  })

  test.each<[string, (socket: import('node:net').Socket) => void]>([
    ['breaks off', (socket) => void socket.destroy()],
    ['falls silent', () => undefined],
  ])('a caller that %s in the middle of its body keeps no place', async (_, then) => {
    const concurrency = createBulkhead({ maxConcurrent: 1 })
    const failures: unknown[] = []
    const refusals = watchRefusals()
    const { port } = await serveLimited({ concurrency, bodyIdleTimeoutMs: 200 }, async (request, response) => {
      try {
        for await (const _chunk of request);
      } catch {
        failures.push(request.signal.reason)
        response.writeHead(500)
      }
      response.end('served')
    })
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345')
    await until(() => concurrency.statistics().active === 1, 'it has a place')
    then(socket)
    await until(() => concurrency.statistics().active === 0, 'its place is free')
    await until(() => failures.length === 1, 'the application received the failure')
    expect(failures[0]).toMatchObject({ code: 'SD_ABORTED' })
    expect(await ask(port)).toMatchObject({ status: 200 })
    if (!socket.destroyed || refusals.length > 0)
      expect(Buffer.concat(received).toString()).toMatch(/^HTTP\/1\.1 408 [\s\S]*SD_TIMEOUT/)
    socket.destroy()
  })

  test('waits for a slow body, and excludes its time from the latency', async () => {
    const limit = createBulkhead({ maxConcurrent: 1 })
    const latencies: (number | undefined)[] = []
    const concurrency = {
      ...limit,
      tryAcquire() {
        const permit = limit.tryAcquire()
        return (
          permit && {
            settle(outcome: { latencyMs?: number | undefined }) {
              latencies.push(outcome.latencyMs)
              permit.settle({ ok: true })
            },
          }
        )
      },
      acquire: undefined,
    } as never
    const { port } = await serveLimited({ concurrency, bodyIdleTimeoutMs: 5_000 }, async (request, response) => {
      for await (const _chunk of request);
      response.end('served')
    })
    const socket = connect(port, '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n')
    for (const text of ['1', '2', '3']) {
      await new Promise((resolve) => setTimeout(resolve, 300))
      socket.write(text)
    }
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /)
    await until(() => latencies.length === 1, 'it is settled')
    expect(latencies[0]).toBeLessThan(600)
    socket.destroy()
  })
})

describe('priority, deadline and trust', () => {
  test.each<[string, Partial<ServerLimitsOptions>, Record<string, number>]>([
    ['used if trusted', { trusted: true }, { batch: 503, default: 200, critical: 200 }],
    ['ignored by default', {}, { batch: 200, default: 200, critical: 200 }],
    [
      'replaced by the option priority',
      { priority: ({ path }) => (path === '/reports' ? 'batch' : 'critical') },
      { batch: 200, default: 200, critical: 200 },
    ],
    [
      'used for trusted callers only',
      { trusted: ({ headers }) => headers['x-ours'] === 'yes' },
      { batch: 200, default: 200, critical: 200 },
    ],
  ])('the caller’s field is %s', async (_, options, expected) => {
    const { held, application, release } = createHold()
    const { port } = await serveLimited({ ...options, concurrency: createBulkhead({ maxConcurrent: 10 }) }, application)
    const filling = Array.from({ length: 5 }, () => ask(port, { headers: { 'x-request-priority': 'critical' } }))
    await until(() => held.length === 5, 'half of it is full')
    for (const [priority, status] of Object.entries(expected)) {
      const requested = ask(port, { headers: { 'x-request-priority': priority } })
      if (status === 200) {
        const before = held.length
        await until(() => held.length === before + 1 || held.length > 5, `${priority} is served`)
        held.pop()?.end()
      }
      expect({ priority, status: (await requested).status }).toEqual({ priority, status })
    }
    release()
    await Promise.all(filling)
  })

  test('an exception in a function of the application does not fail the request', async () => {
    const errors: string[] = []
    const fail = (): never => {
      throw new Error('bug')
    }
    const { port } = await serveLimited(
      {
        rate: { limiter: oneCall(), key: fail },
        priority: fail,
        trusted: fail,
        exempt: fail,
        concurrency: createBulkhead({ maxConcurrent: 1 }),
        onError: ({ message }) => errors.push(message),
      },
      (_, response) => response.end(),
    )
    expect(await ask(port)).toMatchObject({ status: 200 })
    expect(errors).toEqual([
      'exempt of server: bug',
      'rate.key of server: bug',
      'trusted of server: bug',
      'priority of server: bug',
    ])
  })

  test('the signal of a request aborts at the caller’s deadline', async () => {
    const { limits, port } = await serveLimited({ trusted: true, timeoutMs: 60_000 }, (request, response) => {
      expect(limits.admissionOf(request)?.deadlineAt).toBeLessThan(performance.now() + 500)
      const { signal } = request
      expect(request.signal).toBe(signal)
      signal.addEventListener('abort', () => response.writeHead(504).end(signal.reason.code))
    })
    expect(await ask(port, { headers: { 'x-request-timeout-ms': '300' } })).toMatchObject({
      status: 504,
      text: 'SD_DEADLINE_EXCEEDED',
    })
  })

  test('ignores the deadline of an untrusted caller, and raises a short one to the floor', async () => {
    const deadlines: (number | undefined)[] = []
    const headers = { 'x-request-timeout-ms': '1' }
    for (const options of [{}, { timeoutMs: 30_000 }, { trusted: true, deadlineFloorMs: 20_000 }]) {
      const { limits, port } = await serveLimited(options, (request, response) => {
        deadlines.push(limits.admissionOf(request)?.deadlineAt)
        response.end()
      })
      expect(await ask(port, { headers })).toMatchObject({ status: 200 })
    }
    const inMs = deadlines.map((at) => at && Math.round((at - performance.now()) / 10_000) * 10_000)
    expect(inMs).toEqual([undefined, 30_000, 20_000])
  })

  test('a request after its deadline gets 504; a deadline also ends the wait in a queue', async () => {
    const { held, application, release } = createHold()
    const concurrency = createBulkhead({ maxConcurrent: 1, maxQueued: 5, queueTimeoutMs: 20_000 })
    const { port } = await serveLimited({ trusted: true, concurrency }, application)
    const over = await ask(port, { headers: { 'x-request-timeout-ms': '0' } })
    expect(over).toMatchObject({ status: 504 })
    expect(over.headers['retry-after']).toBeUndefined()
    expect(JSON.parse(over.text)).toMatchObject({ code: 'SD_DEADLINE_EXCEEDED' })
    const first = ask(port)
    // `default` may take nine tenths of the places, and at least one.
    await until(() => held.length === 1, 'the first is held')
    expect(await ask(port, { headers: { 'x-request-timeout-ms': '50' } })).toMatchObject({ status: 504 })
    release()
    expect(await first).toMatchObject({ status: 200 })
  })

  test.each([
    ['SD_DEADLINE_EXCEEDED', 504],
    ['SD_ABORTED', 503],
  ] as const)('a wait that a signal ends with %s gets %i, whatever the clock says', async (code, status) => {
    const concurrency = createBulkhead({ maxConcurrent: 1, maxQueued: 5, queueTimeoutMs: 20_000 })
    const limits = createServerLimits({ trusted: true, concurrency, timeoutMs: 60_000 })
    const head = { method: 'GET', path: '/', headers: {} }
    const first = await limits.admit(head)
    const controller = new AbortController()
    const second = limits.admit(head, { signal: controller.signal })
    controller.abort(new SdError(code, 'The wait is over'))
    expect((await second).refusal).toMatchObject({ status })
    first.settle({ ok: true })
    limits.close()
  })

  test('the signal aborts when the caller disconnects, even if it is read later', async () => {
    const seen: unknown[] = []
    const { port } = await serveLimited({}, async (request, response) => {
      const early = request.url === '/early' ? request.signal : undefined
      await once(response, 'close')
      seen.push((early ?? request.signal).reason)
    })
    for (const path of ['/early', '/late']) {
      const socket = connect(port, '127.0.0.1')
      socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`)
      await once(socket, 'connect')
      setTimeout(() => socket.destroy(), 50)
      await until(() => seen.length > 0, 'the signal aborted')
      expect(seen.pop()).toMatchObject({ code: 'SD_ABORTED' })
    }
  })
})

describe('never refused are', () => {
  test('health paths and exempt requests', async () => {
    const concurrency = createAdaptiveLimit()
    concurrency.close()
    const { port } = await serveLimited(
      { rate: { limiter: oneCall() }, concurrency, exempt: ({ path }) => path.startsWith('/metrics') },
      (request, response) => response.end(String(request.signal.aborted)),
    )
    for (const path of ['/health', '/health/live', '/health/ready?verbose', '/metrics']) {
      expect(await ask(port, { path })).toMatchObject({ status: 200, text: 'false' })
    }
    expect(await ask(port, { path: '/health/records' })).toMatchObject({ status: 503 })
    expect(await ask(port, { path: '/healthy' })).toMatchObject({ status: 429 })
  })
})

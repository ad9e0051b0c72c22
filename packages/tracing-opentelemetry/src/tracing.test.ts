import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { context, createTraceState, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AlwaysOffSampler, ParentBasedSampler, type ReadableSpan } from '@opentelemetry/sdk-trace'
import type { HedgePolicy } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createRetryPolicy } from '@sd/retry'
import { describe, expect, test } from 'vitest'
import { createTracing } from './index.ts'
import { createWorld, type Handler, w3c } from './testing/world.ts'

const ok: Handler = (_, response) => response.end('ok')

function find(spans: readonly ReadableSpan[], kind: SpanKind, name: string): ReadableSpan {
  const found = spans.filter((span) => span.kind === kind && span.name === name)
  expect(found, `${SpanKind[kind]} ${name}`).toHaveLength(1)
  return found[0] as ReadableSpan
}

function ofKind(spans: readonly ReadableSpan[], kind: SpanKind): readonly ReadableSpan[] {
  return spans.filter((span) => span.kind === kind)
}

const idOf = (span: ReadableSpan): string => span.spanContext().spanId

describe('a call through several services', () => {
  test('is one trace with the right parents, and its baggage arrives', async () => {
    let arrived: string | undefined
    await using world = await createWorld({
      b: [async (_, response, client) => response.end(await (await client.get('c', '/leaf')).text())],
      c: [
        (_, response) => {
          arrived = propagation.getActiveBaggage()?.getEntry('user')?.value
          response.end('from c')
        },
      ],
    })
    const baggage = propagation.createBaggage({ user: { value: 'ann & co' } })
    const answer = await context.with(propagation.setBaggage(context.active(), baggage), () => world.client.get('b', '/root'))
    expect(await answer.text()).toBe('from c')
    expect(arrived).toBe('ann & co')
    const spans = await world.recorder.settled()
    expect(spans).toHaveLength(6)
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1)
    const callB = find(spans, SpanKind.INTERNAL, 'GET b')
    const callC = find(spans, SpanKind.INTERNAL, 'GET c')
    const clients = ofKind(spans, SpanKind.CLIENT)
    const servers = ofKind(spans, SpanKind.SERVER)
    const childOf = (parent: ReadableSpan, of: readonly ReadableSpan[]): ReadableSpan =>
      of.find((span) => span.parentSpanContext?.spanId === idOf(parent)) as ReadableSpan
    expect(callB.parentSpanContext).toBeUndefined()
    const serverB = childOf(childOf(callB, clients), servers)
    expect(callC.parentSpanContext?.spanId).toBe(idOf(serverB))
    const serverC = childOf(childOf(callC, clients), servers)
    expect(serverC.attributes['url.path']).toBe('/leaf')
  })

  test('has attributes by the conventions, and no values of the query', async () => {
    await using world = await createWorld(
      { orders: [ok] },
      {
        tracing: { attributes: { team: 'shop' }, queryParameters: ['page'] },
        instance: { id: 'o-1', locality: { region: 'eu', zone: 'eu-a' } },
      },
    )
    const { endpoint } = await world.client.post('orders', '/list?page=2&token=s3cret&flag', { body: 'x' })
    const { port } = endpoint.instance
    const spans = await world.recorder.settled()
    expect(find(spans, SpanKind.INTERNAL, 'POST orders').attributes).toEqual({
      team: 'shop',
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'sd.service': 'orders',
      'sd.attempts': 1,
    })
    expect(find(spans, SpanKind.CLIENT, 'POST').attributes).toEqual({
      team: 'shop',
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': port,
      'url.full': `http://127.0.0.1:${port}/list?page=2&token=REDACTED&flag`,
      'sd.service': 'orders',
      'sd.instance.id': 'o-1',
      'sd.instance.zone': 'eu-a',
    })
    for (const { status } of spans) expect(status.code).toBe(SpanStatusCode.UNSET)
  })

  test('does not mix the contexts of a hundred calls at once', async () => {
    await using world = await createWorld({
      b: [
        async (request, response, client) => {
          const { url = '' } = request
          // Responses come in a different order than requests.
          await delay((Number(url.slice(1)) * 7) % 20)
          response.end(await (await client.get('c', url)).text())
        },
      ],
      c: [(_, response) => response.end(propagation.getActiveBaggage()?.getEntry('n')?.value)],
    })
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => {
        const baggage = propagation.createBaggage({ n: { value: String(n) } })
        return context.with(propagation.setBaggage(context.active(), baggage), async () =>
          (await world.client.get('b', `/${n}`)).text(),
        )
      }),
    )
    expect(answers).toEqual(Array.from({ length: 100 }, (_, n) => String(n)))
    const traces = Map.groupBy(await world.recorder.settled(), (span) => span.spanContext().traceId)
    expect(traces.size).toBe(100)
    for (const spans of traces.values()) {
      expect(spans).toHaveLength(6)
      expect(new Set(ofKind(spans, SpanKind.SERVER).map(({ attributes }) => attributes['url.path'])).size).toBe(1)
    }
  })
})

describe('a span ends', () => {
  test('per attempt, with the number of resends', async () => {
    let requests = 0
    const flaky: Handler = (_, response) => response.writeHead(++requests === 1 ? 503 : 200).end()
    const retry = createRetryPolicy({ backoff: { kind: 'fixed', delayMs: 1 } })
    await using world = await createWorld({ orders: [flaky, flaky] }, { client: { retry } })
    await world.client.get('orders', '/')
    const spans = await world.recorder.settled()
    const [first, second] = ofKind(spans, SpanKind.CLIENT)
    expect(first?.attributes).toMatchObject({ 'http.response.status_code': 503, 'error.type': '503' })
    expect(first?.attributes).not.toHaveProperty('http.request.resend_count')
    expect(first?.status).toEqual({ code: SpanStatusCode.ERROR })
    expect(second?.attributes).toMatchObject({ 'http.response.status_code': 200, 'http.request.resend_count': 1 })
    const call = find(spans, SpanKind.INTERNAL, 'GET orders')
    expect(call.attributes).toMatchObject({ 'sd.attempts': 2, 'http.response.status_code': 200 })
    expect(call.status.code).toBe(SpanStatusCode.UNSET)
    expect(call.events.map(({ name, attributes }) => [name, attributes?.['sd.attempt'], attributes?.['error.type']])).toEqual([
      ['sd.retry', 1, '503'],
    ])
    for (const attempt of [first, second]) expect(attempt?.parentSpanContext?.spanId).toBe(idOf(call))
  })

  test('of an attempt that lost to another, which is not an error', async () => {
    let requests = 0
    const slowFirst: Handler = (_, response) => ++requests > 1 && response.end('fast')
    const hedge = (): HedgePolicy => createHedgePolicy({ delayMs: 20 })
    await using world = await createWorld({ orders: [slowFirst, slowFirst] }, { client: { hedge } })
    expect(await (await world.client.get('orders', '/')).text()).toBe('fast')
    const spans = await world.recorder.settled()
    // The winner ends first.
    const [won, lost] = ofKind(spans, SpanKind.CLIENT)
    expect(lost?.attributes).toMatchObject({ 'sd.aborted': true })
    expect(lost?.status.code).toBe(SpanStatusCode.UNSET)
    expect(won?.attributes).toMatchObject({ 'http.response.status_code': 200, 'http.request.resend_count': 1 })
    const call = find(spans, SpanKind.INTERNAL, 'GET orders')
    expect(call.attributes['sd.attempts']).toBe(2)
    expect(call.events).toMatchObject([{ name: 'sd.hedge', attributes: { 'sd.attempt': 2 } }])
  })

  test('of a call that was refused and got a fallback', async () => {
    const full = { name: 'full', tryAcquire: () => undefined, load: { max: 0, active: 0, waiting: 0 }, close() {} }
    await using world = await createWorld(
      { orders: [ok] },
      { client: { concurrencyLimit: () => full, fallback: { kind: 'response', response: { json: [] } } } },
    )
    expect(await (await world.client.get('orders', '/')).json()).toEqual([])
    const [call] = await world.recorder.settled()
    expect(call?.events).toMatchObject([
      { name: 'sd.refused', attributes: { 'sd.policy': 'concurrency-limit', 'sd.policy.name': 'full' } },
      { name: 'sd.fallback', attributes: { 'error.type': 'SD_REJECTED' } },
    ])
    expect(call?.attributes).toMatchObject({ 'http.response.status_code': 200, 'sd.attempts': 0 })
    expect(call?.status.code).toBe(SpanStatusCode.UNSET)
  })

  test('when there was no connection, and when there was no instance', async () => {
    await using world = await createWorld({ orders: [ok] }, { instance: { port: 1 } })
    await expect(world.client.get('orders', '/')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await expect(world.client.get('unknown', '/')).rejects.toMatchObject({ code: 'SD_NO_INSTANCE' })
    const spans = await world.recorder.settled()
    for (const span of [find(spans, SpanKind.CLIENT, 'GET'), find(spans, SpanKind.INTERNAL, 'GET orders')]) {
      expect(span.attributes['error.type']).toBe('SD_UNAVAILABLE')
      expect(span.status).toMatchObject({ code: SpanStatusCode.ERROR, message: expect.stringContaining('ECONNREFUSED') })
    }
    const { attributes } = find(spans, SpanKind.INTERNAL, 'GET unknown')
    expect(attributes).toMatchObject({ 'error.type': 'SD_NO_INSTANCE', 'sd.attempts': 0 })
  })

  test('when the caller aborted, which is not an error', async () => {
    const controller = new AbortController()
    await using world = await createWorld({ orders: [() => controller.abort()] })
    await expect(world.client.get('orders', '/', { signal: controller.signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    const spans = await world.recorder.settled()
    for (const span of [find(spans, SpanKind.CLIENT, 'GET'), find(spans, SpanKind.INTERNAL, 'GET orders')]) {
      expect(span.attributes).toMatchObject({ 'sd.aborted': true })
      expect(span.attributes).not.toHaveProperty('error.type')
      expect(span.status.code).toBe(SpanStatusCode.UNSET)
    }
    expect(find(spans, SpanKind.SERVER, 'GET').attributes).toMatchObject({ 'error.type': 'SD_ABORTED' })
  })

  const chunk = Buffer.alloc(65_536)
  /** Sends an endless body. */
  const endless: Handler = (_, response) => {
    const send = (): void => {
      while (response.write(chunk));
    }
    response.on('drain', send)
    send()
  }

  test('when the body ended, not at the headers', async () => {
    let finish: (() => void) | undefined
    await using world = await createWorld({
      orders: [
        (_, response) => {
          response.write('head')
          finish = () => response.end()
        },
      ],
    })
    const response = await world.client.get('orders', '/')
    expect([...world.recorder.open].map(({ name }) => name)).toEqual(['GET orders', 'GET', 'GET'])
    finish?.()
    expect(await response.text()).toBe('head')
    await world.recorder.settled()
  })

  test('when a small body is never read', async () => {
    await using world = await createWorld({ orders: [ok] })
    await world.client.get('orders', '/')
    expect(await world.recorder.settled()).toHaveLength(3)
  })

  test('at the deadline when a large body is never read', async () => {
    await using world = await createWorld({ orders: [endless] })
    await world.client.get('orders', '/', { timeoutMs: 200 })
    const spans = await world.recorder.settled()
    for (const kind of [SpanKind.INTERNAL, SpanKind.CLIENT]) {
      const attributes = { 'http.response.status_code': 200, 'error.type': 'SD_DEADLINE_EXCEEDED' }
      expect(ofKind(spans, kind)[0]?.attributes).toMatchObject(attributes)
    }
  })

  test('when the body was cancelled, and when it broke', async () => {
    await using world = await createWorld({
      orders: [endless],
      broken: [
        (_, response) => {
          response.writeHead(200, { 'content-length': '10' }).write('x')
          setImmediate(() => response.destroy())
        },
      ],
    })
    ;(await world.client.get('orders', '/')).cancel()
    await expect((await world.client.get('broken', '/')).text()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    const spans = await world.recorder.settled()
    expect(find(spans, SpanKind.INTERNAL, 'GET orders').attributes).toMatchObject({ 'sd.aborted': true })
    expect(find(spans, SpanKind.INTERNAL, 'GET broken').attributes).toMatchObject({ 'error.type': 'SD_UNAVAILABLE' })
  })

  test('when the client is closed during it', async () => {
    const world = await createWorld({ orders: [endless] })
    await world.client.get('orders', '/', { timeoutMs: 0 })
    await world[Symbol.asyncDispose]()
    const spans = await world.recorder.settled()
    expect(find(spans, SpanKind.INTERNAL, 'GET orders').attributes).toMatchObject({ 'error.type': 'SD_CLOSED' })
  })
})

describe('a call', () => {
  test('runs inside its span, and so do the other interceptors', async () => {
    const seen: (Span | undefined)[] = []
    await using world = await createWorld({ orders: [ok] })
    await using other = await createWorld(
      { orders: [ok] },
      {
        client: {
          interceptors: {
            call: [
              world.tracing.call,
              (_, next) => {
                seen.push(trace.getActiveSpan())
                return next()
              },
            ],
            attempt: [
              world.tracing.attempt,
              (_, next) => {
                seen.push(trace.getActiveSpan())
                return next()
              },
            ],
          },
        },
      },
    )
    await other.client.get('orders', '/')
    const spans = await world.recorder.settled()
    const inside = [find(spans, SpanKind.INTERNAL, 'GET orders'), find(spans, SpanKind.CLIENT, 'GET')]
    expect(seen.map((span) => span?.spanContext().spanId)).toEqual(inside.map(idOf))
  })

  test('is not sampled if its caller is not', async () => {
    const headers: unknown[] = []
    await using world = await createWorld(
      { orders: [(request, response) => response.end(String(headers.push(request.headers['traceparent'])))] },
      { provider: { sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }) } },
    )
    await world.client.get('orders', '/')
    expect(headers).toEqual([expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)])
    expect(await world.recorder.settled()).toEqual([])
  })

  test('forwards tracestate only with its own parent', async () => {
    const seen: unknown[] = []
    await using world = await createWorld({
      orders: [
        (request, response) => {
          seen.push([request.headers['traceparent'], request.headers['tracestate']])
          response.end()
        },
      ],
    })
    const caller = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 }
    const forwarded = { traceparent: `00-${'3'.repeat(32)}-${'4'.repeat(16)}-01`, tracestate: 'vendor=stale' }
    const withState = { ...caller, traceState: createTraceState('vendor=own') }
    for (const parent of [caller, withState]) {
      await context.with(trace.setSpanContext(context.active(), parent), () =>
        world.client.get('orders', '/', { headers: forwarded }),
      )
    }
    expect(seen).toEqual([
      [expect.stringMatching(/^00-1{32}-/), undefined],
      [expect.stringMatching(/^00-1{32}-/), 'vendor=own'],
    ])
  })

  test('is untouched without an SDK, and after close', async () => {
    const headers: object[] = []
    const tracing = createTracing()
    await using world = await createWorld(
      {
        orders: [
          (request, response) => {
            headers.push(request.headers)
            response.end('ok')
          },
        ],
      },
      { client: { interceptors: { call: [tracing.call], attempt: [tracing.attempt] } } },
    )
    expect(await (await world.client.get('orders', '/')).text()).toBe('ok')
    tracing[Symbol.dispose]()
    tracing.close()
    expect(await (await world.client.get('orders', '/')).text()).toBe('ok')
    for (const fields of headers) expect(fields).not.toHaveProperty('traceparent')
  })

  test('without an SDK still forwards the headers of its caller', async () => {
    const tracing = createTracing({ propagator: w3c })
    let seen: IncomingHttpHeaders = {}
    await using world = await createWorld(
      {
        orders: [
          (request, response) => {
            seen = request.headers
            response.end()
          },
        ],
      },
      { client: { interceptors: { call: [tracing.call], attempt: [tracing.attempt] } } },
    )
    const baggage = propagation.createBaggage({ user: { value: 'ann' } })
    const caller = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 }
    const around = trace.setSpanContext(propagation.setBaggage(context.active(), baggage), caller)
    await context.with(around, () => world.client.get('orders', '/'))
    expect(seen).toMatchObject({ baggage: 'user=ann', traceparent: `00-${caller.traceId}-${caller.spanId}-01` })
  })

  test('that is in progress at close keeps its spans', async () => {
    let finish: (() => void) | undefined
    await using world = await createWorld({
      orders: [
        (_, response) => {
          response.write('head')
          finish = () => response.end()
        },
      ],
    })
    await world.client.get('orders', '/')
    world.tracing.close()
    finish?.()
    expect(await world.recorder.settled()).toHaveLength(3)
  })

  test('has its spans even if an interceptor responds or fails instead', async () => {
    await using world = await createWorld({ orders: [ok] })
    const { endpoint } = await world.client.get('orders', '/')
    const cached = { status: 304, headers: {}, body: (async function* () {})(), endpoint }
    await using other = await createWorld(
      { orders: [ok], reports: [ok] },
      {
        client: {
          interceptors: {
            call: [world.tracing.call],
            attempt: [
              world.tracing.attempt,
              async ({ call }) => {
                if (call.service === 'orders') return cached
                throw new Error('planted')
              },
            ],
          },
        },
      },
    )
    expect((await other.client.get('orders', '/')).status).toBe(304)
    await expect(other.client.get('reports', '/')).rejects.toThrow('planted')
    const spans = await world.recorder.settled()
    expect(spans).toHaveLength(3 + 2 + 2)
    expect(find(spans, SpanKind.INTERNAL, 'GET reports').attributes).toMatchObject({ 'error.type': 'SD_UNAVAILABLE' })
  })
})

test('invalid options are rejected', () => {
  const cases: readonly (readonly [string, object])[] = [
    ['tracer', { tracer: {} }],
    ['tracerProvider.getTracer', { tracerProvider: {} }],
    ['propagator.inject', { propagator: {} }],
    ['propagator.extract', { propagator: { inject() {} } }],
    ['attributes', { attributes: 'a' }],
    ['queryParameters', { queryParameters: 'page' }],
    ['queryParameters[0]', { queryParameters: [1] }],
  ]
  for (const [field, options] of cases) {
    expect(() => createTracing(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  }
})

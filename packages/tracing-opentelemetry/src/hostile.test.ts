import { type Span, type SpanContext, TraceFlags, type Tracer } from '@opentelemetry/api'
import { type AttemptContext, type CallContext, publishTelemetry, SdError } from '@sd/core'
import { createHostileValues, createSeededRandom, createTestEndpoints } from '@sd/testing'
import { expect, test, vi } from 'vitest'
import { createTraceMiddleware, createTracing, type TracingOptions } from './index.ts'

const spanContext: SpanContext = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: TraceFlags.SAMPLED }

/** A provider, spans and a propagator that sometimes throw arbitrary values. */
function createHostileOptions(seed: number): TracingOptions & { readonly ended: () => number } {
  const hostile = createHostileValues(seed)
  const random = createSeededRandom(seed)
  const maybe = <T>(result: () => T): T => {
    if (random() < 0.5) throw hostile.next()
    return result()
  }
  let ended = 0
  const span = {
    spanContext: () => maybe(() => spanContext),
    setAttribute: () => maybe(() => span),
    setStatus: () => maybe(() => span),
    updateName: () => maybe(() => span),
    addEvent: () => maybe(() => span),
    end: () => {
      ended++
      maybe(() => undefined)
    },
  } as unknown as Span
  const tracer = { startSpan: () => maybe(() => span) } as unknown as Tracer
  return {
    tracerProvider: { getTracer: () => tracer },
    propagator: {
      inject: (_, headers) => maybe(() => Object.assign(headers as object, { traceparent: 'x' })),
      extract: (active) => maybe(() => active),
      fields: () => [],
    },
    ended: () => ended,
  }
}

const [endpoint] = createTestEndpoints([1])

test('failures of tracing do not change a call and its attempts', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const hostile = createHostileValues(13)
  const { ended, ...options } = createHostileOptions(13)
  const tracing = createTracing(options)
  for (let round = 0; round < 500; round++) {
    const call = { service: 'orders', method: 'GET', path: '/', headers: {} } as unknown as CallContext
    const attempt = { call, endpoint, attempt: 1, headers: {} } as unknown as AttemptContext
    let runs = 0
    const isFailing = round % 3 === 0
    const thrown = hostile.nextError()
    const response = { status: 200 } as never
    const result = tracing.call(call, async () =>
      tracing.attempt(attempt, async () => {
        runs++
        if (isFailing) throw thrown
        return response
      }),
    )
    if (isFailing) {
      const caught = await result.then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      expect(Object.is(caught?.error, thrown)).toBe(true)
    } else {
      expect(await result).toBe(response)
    }
    expect(runs).toBe(1)
    const error = new SdError('SD_UNAVAILABLE', 'x')
    const end = { call, attempts: 1, durationMs: 1, instanceId: 'a', error }
    publishTelemetry('sd:v1:call:retry', { call, attempt: 1, delayMs: 1, error } as never)
    publishTelemetry('sd:v1:attempt:end', end as never)
    publishTelemetry('sd:v1:call:end', end as never)
  }
  expect(ended()).toBeGreaterThan(100)
  tracing.close()
  warn.mockRestore()
})

test('failures of tracing do not change a served request', () => {
  const { ended, ...options } = createHostileOptions(7)
  const middleware = createTraceMiddleware(options)
  for (let round = 0; round < 500; round++) {
    const closes: (() => void)[] = []
    const on = (): void => undefined
    const request = { method: 'GET', url: '/', headers: { host: 'a:1' }, socket: {}, httpVersion: '1.1', on }
    const response = { headersSent: true, statusCode: 500, on, once: (_: string, close: () => void) => closes.push(close) }
    let served = 0
    middleware(request as never, response as never, () => {
      served++
    })
    for (const close of closes) expect(close).not.toThrow()
    expect(served).toBe(1)
  }
  expect(ended()).toBeGreaterThan(100)
})

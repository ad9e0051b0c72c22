import { type Outcome, SdError, subscribeTelemetry } from '@sd/core'
import { createHedgePolicy } from '@sd/hedge'
import { createRetryPolicy } from '@sd/retry'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClientSettings, ForwardRequest, Transport, TransportHandler, TransportRequest } from '../index.ts'
import { forward } from '../testing/forwarded.ts'
import { createWorld, type World } from '../testing/world.ts'

let world: World
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  await world.close()
})

const retry: ClientSettings['retry'] = ({ budget }) =>
  createRetryPolicy({ budget, backoff: { kind: 'fixed', delayMs: 0, jitter: 0 } })

/** A transport that records requests and responds later as configured. */
function respondingTransport(
  respond: (handler: TransportHandler, attempt: number) => void,
): Transport & { readonly sent: TransportRequest[] } {
  const sent: TransportRequest[] = []
  return {
    name: 'test',
    sent,
    send(_endpoint, request, handler) {
      sent.push(request)
      const attempt = sent.length
      queueMicrotask(() => respond(handler, attempt))
      return {
        rawHeaders: [],
        rawTrailers: ['grpc-status', '8', 'grpc-retry-pushback-ms', '70'],
        write: () => true,
        end: () => undefined,
        abort: (reason) => handler.onError(reason),
        resume: () => undefined,
      }
    },
    close: async () => undefined,
  }
}

function ok(handler: TransportHandler, status = 200): void {
  handler.onSend()
  handler.onResponse(status, {}, '')
  handler.onData(Buffer.from('body'))
  handler.onEnd({})
}

describe('a request with its own transport', () => {
  test('is sent by that transport, with all policies, to the endpoints that the client picks', async () => {
    await world.register(1, { id: 'a' })
    await world.register(2, { id: 'b' })
    const transport = respondingTransport((handler, attempt) => ok(handler, attempt === 1 ? 503 : 200))
    const seen = forward(world.client({ retry }), { method: 'POST', body: Buffer.from('x'), idempotent: true, transport })
    await seen.ended
    expect(seen).toMatchObject({ status: 200, text: 'body', instanceId: 'b' })
    expect(transport.sent.map(({ body, pushed }) => [String(body), pushed])).toEqual([
      ['x', false],
      ['x', false],
    ])
    expect(transport.sent[0]?.rawHeaders?.map((text) => text.toLowerCase())).toContain('idempotency-key')
  })

  test('with a complete body is hedged', async () => {
    await world.register(1, { id: 'a' })
    await world.register(2, { id: 'b' })
    const transport = respondingTransport((handler, attempt) => (attempt === 1 ? handler.onSend() : ok(handler)))
    const hedge: ClientSettings['hedge'] = ({ budget }) => createHedgePolicy({ budget, delayMs: 1 })
    const seen = forward(world.client({ hedge }), { method: 'PUT', body: Buffer.alloc(0), transport })
    await seen.ended
    expect([seen.status, transport.sent.length, seen.instanceId]).toEqual([200, 2, 'b'])
  })

  test('is judged by its judge: for the endpoint, the breakers and telemetry', async () => {
    await world.register(1, { id: 'a' })
    const outcomes: Outcome[] = []
    const received: unknown[] = []
    const ends = ['sd:v1:attempt:end', 'sd:v1:call:end'].map((channel) =>
      subscribeTelemetry(channel as 'sd:v1:call:end', ({ status, grpcStatus }) => received.push([status, grpcStatus])),
    )
    const transport = respondingTransport((handler) => ok(handler))
    const breaker: ClientSettings['breaker'] = () =>
      ({
        name: 'b',
        state: 'closed',
        tryAcquire: () => ({ settle: (outcome: Outcome) => outcomes.push({ ...outcome }) }),
      }) as never
    const judge: ForwardRequest['judge'] = (_head, rawTrailers) => ({
      ok: false,
      status: 429,
      grpcStatus: Number(rawTrailers[1]),
      retryAfterMs: Number(rawTrailers[3]),
    })
    const seen = forward(world.client({ breaker }), { transport, judge })
    await seen.ended
    for (const end of ends) end()
    expect(seen.status).toBe(200)
    expect(outcomes).toMatchObject([{ ok: false, status: 429 }])
    expect(received).toEqual([
      [429, 8],
      [429, 8],
    ])
  })

  test('that is aborted before it began fails with the reason and is not sent', async () => {
    await world.register(1, { id: 'a' })
    const transport = respondingTransport((handler) => ok(handler))
    const seen = forward(world.client(), { transport })
    seen.control.abort(new SdError('SD_ABORTED', 'changed my mind'))
    await seen.ended
    expect([seen.error?.code, transport.sent.length]).toEqual(['SD_ABORTED', 0])
  })

  test('ends at its deadline, whatever its other limits', async () => {
    await world.register(1, { id: 'a' })
    const transport = respondingTransport((handler) => handler.onSend())
    const deadlineAt = performance.now() + 1_000
    const seen = forward(world.client({ timeoutMs: 0 }), { transport, deadlineAt, headTimeoutMs: 0, hasBody: true })
    await seen.ended
    expect(seen.error?.code).toBe('SD_DEADLINE_EXCEEDED')
    expect(transport.sent[0]?.rawHeaders).toContain('x-request-timeout-ms')
    const late = forward(world.client(), { transport, deadlineAt })
    await late.ended
    expect([late.error?.code, transport.sent.length]).toEqual(['SD_DEADLINE_EXCEEDED', 1])
  })
})

test.each<[string, Partial<ForwardRequest>]>([
  ['deadlineAt', { deadlineAt: Number.NaN }],
  ['body', { body: 7 as never }],
  ['body', { body: 'x', hasBody: true }],
  ['priority', { priority: 'high' as never }],
  ['idempotent', { idempotent: 1 as never }],
  ['transport.send', { transport: {} as never }],
])('a wrong %s is refused', (field, request) => {
  expect(() => forward(world.client(), request)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

test('a body that is pushed at once leaves no timer', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  await world.register(1, { id: 'a' })
  const client = world.client()
  const before = timers()
  const seen = forward(client, { transport: respondingTransport((handler) => ok(handler)), hasBody: true, method: 'POST' })
  seen.control.write(Buffer.from('x'))
  seen.control.end()
  await seen.ended
  expect(timers() - before).toBeLessThanOrEqual(0)
})

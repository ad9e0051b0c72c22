import { createEndpoint, createServiceInstance, SdError } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RequestOptions } from '../call/request-options.ts'
import { ResponseBody } from '../message/response-body.ts'
import { ServiceResponse } from '../message/service-response.ts'
import { type EventOptions, followEvents } from './event-stream.ts'

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const endpoint = createEndpoint(createServiceInstance({ service: 'orders', id: 'a', address: '127.0.0.1', port: 80 }))
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)

/** Follows events of connections that the test makes. */
function follow(options: EventOptions = {}) {
  const calls: RequestOptions[] = []
  const bodies: ResponseBody[] = []
  const cancelled: unknown[] = []
  const failures: SdError[] = []
  let status = 200
  const get = async (_: string, __: string, given?: RequestOptions): Promise<ServiceResponse> => {
    calls.push(given ?? {})
    const failure = failures.shift()
    if (failure) throw failure
    const body: ResponseBody = new ResponseBody({
      resume() {},
      cancel(error) {
        cancelled.push(error.code)
        body.fail(error)
      },
    })
    given?.signal?.addEventListener('abort', () => body.fail(new SdError('SD_ABORTED', 'left')), { once: true })
    bodies.push(body)
    const headers = { 'content-type': 'text/event-stream; charset=utf-8' }
    return new ServiceResponse({ status, headers, body, endpoint, attempts: 1, maxResponseBytes: 10 })
  }
  const events = followEvents(get as never, { service: 'orders', path: '/', headTimeoutMs: () => 1_234, ...options })
  const send = (text: string | Uint8Array): void => void bodies.at(-1)?.push(typeof text === 'string' ? Buffer.from(text) : text)
  return {
    calls,
    cancelled,
    failures,
    events,
    send,
    end: () => bodies.at(-1)?.end(),
    setStatus: (next: number) => {
      status = next
    },
  }
}

/** Notes what a promise comes to. */
function track(promise: Promise<unknown>): { value?: unknown; error?: unknown } {
  const tracked: { value?: unknown; error?: unknown } = {}
  promise.then(
    (value) => Object.assign(tracked, { value }),
    (error: unknown) => Object.assign(tracked, { error }),
  )
  return tracked
}

describe('the request of an event stream', () => {
  test('has no time limit but that until its head, asks for events, and continues where it was', async () => {
    const { calls, events, send, end } = follow({ headers: { 'x-a': '1' } })
    const first = track(events.next())
    await pass(0)
    expect(calls).toEqual([
      { timeoutMs: 0, attemptTimeoutMs: 1_234, signal: expect.anything(), headers: { accept: 'text/event-stream', 'x-a': '1' } },
    ])
    send('id: 7\ndata: a\n\n')
    await pass(0)
    expect(first.value).toEqual({ done: false, value: { event: 'message', data: 'a', id: '7' } })
    void events.next()
    end()
    await pass(2_000)
    expect(calls[1]?.headers).toMatchObject({ 'last-event-id': '7' })
    await events.return?.()
  })

  test('may have its own limit until the head', async () => {
    const { calls, events } = follow({ attemptTimeoutMs: 5 })
    void events.next()
    await pass(0)
    expect(calls[0]?.attemptTimeoutMs).toBe(5)
    await events.return?.()
  })
})

describe('events', () => {
  test('may come in any parts, also within a character', async () => {
    const { events, send } = follow()
    const event = track(events.next())
    await pass(0)
    for (const byte of Buffer.from(': comment\n\ndata: ä\r\ndata: ö\n\n')) send(Uint8Array.of(byte))
    await pass(0)
    expect(event.value).toEqual({ done: false, value: { event: 'message', data: 'ä\nö' } })
    await events.return?.()
  })

  test('that are too large end the stream with an error', async () => {
    const { events, send, calls } = follow()
    const event = track(events.next())
    await pass(0)
    send(`data: ${'x'.repeat(1_048_577)}`)
    await pass(60_000)
    expect([(event.error as SdError).code, calls.length]).toEqual(['SD_TOO_LARGE', 1])
  })
})

describe('a stream that ends or fails', () => {
  test('is opened again, later each time, and soon again after an event', async () => {
    const { calls, events, failures, send, end } = follow({ retryMs: 1_000 })
    for (let time = 0; time < 6; time++) failures.push(new SdError('SD_UNAVAILABLE', 'refused'))
    const event = track(events.next())
    const times: number[] = []
    for (let at = 0; at < 120_000 && calls.length < 7; at += 100) {
      if (calls.length > times.length) times.push(performance.now())
      await pass(100)
    }
    const waits = times.slice(1).map((at, index) => at - (times[index] as number))
    expect(waits).toEqual(waits.toSorted((one, other) => one - other))
    expect([waits.length, (waits.at(-1) as number) <= 30_100]).toEqual([5, true])
    send('data: a\n\n')
    await pass(0)
    expect(event.value).toMatchObject({ done: false })
    void events.next()
    end()
    await pass(1_000)
    expect(calls).toHaveLength(8)
    await events.return?.()
  })

  test('waits as long as the server asked for', async () => {
    const { calls, events, send, end } = follow()
    void events.next()
    await pass(0)
    send('retry: 10000\n\n')
    end()
    await pass(4_900)
    expect(calls).toHaveLength(1)
    await pass(5_200)
    expect(calls).toHaveLength(2)
    await events.return?.()
  })

  test('ends for an error that a retry can not change', async () => {
    const { calls, events, failures } = follow()
    failures.push(new SdError('SD_DENIED', 'no'))
    await expect(events.next()).rejects.toMatchObject({ code: 'SD_DENIED' })
    await pass(60_000)
    expect(calls).toHaveLength(1)
  })

  test('ends at 204', async () => {
    const { events, setStatus } = follow()
    setStatus(204)
    expect((await events.next()).done).toBe(true)
  })
})

describe('a silent stream', () => {
  test('is opened again after idleTimeoutMs without data, of which comments are', async () => {
    const { calls, cancelled, events, send } = follow({ idleTimeoutMs: 1_000, retryMs: 1 })
    void events.next()
    await pass(0)
    for (let time = 0; time < 5; time++) {
      await pass(999)
      send(': still here\n\n')
    }
    expect([calls.length, cancelled]).toEqual([1, []])
    await pass(1_200)
    expect([calls.length, cancelled]).toEqual([2, ['SD_ABORTED']])
    await events.return?.()
  })

  test('is one without data, not one whose consumer is slow', async () => {
    const { calls, events, send } = follow({ idleTimeoutMs: 1_000, retryMs: 1 })
    const first = track(events.next())
    await pass(0)
    send('data: a\n\n')
    await pass(0)
    expect(first.value).toMatchObject({ done: false })
    await pass(60_000)
    expect(calls).toHaveLength(1)
    void events.next()
    await pass(999)
    expect(calls).toHaveLength(1)
    await pass(300)
    expect(calls).toHaveLength(2)
    await events.return?.()
  })
})

test.each([
  ['idleTimeoutMs', { idleTimeoutMs: -1 }],
  ['retryMs', { retryMs: 0 }],
])('a wrong %s is named', async (field, options) => {
  await expect(follow(options).events.next()).rejects.toMatchObject({ code: 'SD_INVALID', field })
})

test('an abort while it waits to reconnect ends it, without a request', async () => {
  const controller = new AbortController()
  const { calls, events, failures } = follow({ signal: controller.signal })
  failures.push(new SdError('SD_UNAVAILABLE', 'refused'))
  const event = track(events.next())
  await pass(0)
  controller.abort()
  await pass(0)
  expect(event.value).toEqual({ done: true, value: undefined })
  await pass(60_000)
  expect([calls.length, vi.getTimerCount()]).toEqual([1, 0])
})

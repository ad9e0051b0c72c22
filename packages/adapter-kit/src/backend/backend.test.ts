import { collectStates, SdError, subscribeTelemetry, untilAborted } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Backend, createBackend } from './backend.ts'

const unreachable = new SdError('SD_UNAVAILABLE', 'unreachable')
const forever = new Promise<never>(() => undefined)
const nothing = (): void => undefined

let backend: Backend

function reported(): unknown[] {
  return collectStates().filter((report) => report.kind === 'backend' && report.backend === 'test')
}

beforeEach(() => {
  vi.useFakeTimers()
  backend = createBackend({ name: 'test', role: 'registry', operationTimeoutMs: 1_000, backoff: { baseMs: 100, maxMs: 100 } })
})
afterEach(async () => {
  const closing = backend.close({ backend: nothing })
  await vi.advanceTimersByTimeAsync(3_000)
  await closing
  vi.useRealTimers()
})

test('its state is reported until it is closed', async () => {
  expect(reported()).toEqual([
    { kind: 'backend', backend: 'test', role: 'registry', state: 'disconnected', since: expect.any(Number) },
  ])
  backend.record(undefined)
  expect(reported()).toMatchObject([{ state: 'connected' }])
  backend.record(unreachable)
  expect(reported()).toMatchObject([{ state: 'disconnected' }])
  backend.record(undefined)
  backend.record(new SdError('SD_CONFLICT', 'taken'))
  expect(backend.connection.state).toBe('connected')
  await backend.close({ backend: nothing })
  expect(reported()).toEqual([])
  backend.record(undefined)
  expect(backend.connection.state).toBe('closed')
})

test('the state before the first contact can be set', async () => {
  const ready = createBackend({ name: 'ready', role: 'registry', operationTimeoutMs: 1, initialState: 'connected' })
  expect(ready.connection.state).toBe('connected')
  await ready.close({ backend: nothing })
})

describe('an operation', () => {
  test('is published, with its service if it has one', async () => {
    const events: unknown[] = []
    const end = subscribeTelemetry('sd:v1:backend:operation', (event) => events.push(event))
    expect(await backend.operate('load', undefined, async () => 1)).toBe(1)
    await expect(backend.operate('put', {}, () => Promise.reject(unreachable), 'orders')).rejects.toBe(unreachable)
    end()
    expect(events).toEqual([
      { backend: 'test', operation: 'load', durationMs: expect.any(Number) },
      { backend: 'test', operation: 'put', service: 'orders', durationMs: expect.any(Number), error: unreachable },
    ])
  })

  test('does not start after the caller aborted', async () => {
    const run = vi.fn(async () => 1)
    await expect(backend.operate('load', { signal: AbortSignal.abort() }, run)).rejects.toMatchObject({ code: 'SD_ABORTED' })
    expect(run).not.toHaveBeenCalled()
  })

  test('ends at its limit', async () => {
    const late = expect(backend.operate('load', {}, () => forever)).rejects.toMatchObject({
      code: 'SD_TIMEOUT',
      message: 'test load took longer than 1000 ms',
    })
    await vi.advanceTimersByTimeAsync(1_000)
    await late
    expect(backend.connection.state).toBe('disconnected')
  })
})

describe('closing', () => {
  test('ends watches, then calls before and backend, once', async () => {
    const order: string[] = []
    const hub = backend.createHub<number>(async (_, { offer, signal }) => {
      offer(1)
      await untilAborted(signal)
      order.push('watch')
    })
    await hub.watch('a')[Symbol.asyncIterator]().next()
    const end = { before: async () => void order.push('before'), backend: () => void order.push('backend') }
    const closing = backend.close(end)
    expect(backend.close(end)).toBe(closing)
    expect(() => backend.checkOpen()).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
    await closing
    expect(order).toHaveLength(3)
    expect(order.at(-1)).toBe('backend')
  })

  test('waits a second for each step that hangs', async () => {
    const hub = backend.createHub<number>(() => forever)
    void hub.watch('a')[Symbol.asyncIterator]().next()
    let isClosed = false
    const closing = backend.close({ backend: () => forever }).then(() => {
      isClosed = true
    })
    await vi.advanceTimersByTimeAsync(1_900)
    expect(isClosed).toBe(false)
    await vi.advanceTimersByTimeAsync(200)
    await closing
    expect(backend.connection.state).toBe('closed')
  })
})

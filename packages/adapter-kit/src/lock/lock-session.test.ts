import { getEventListeners } from 'node:events'
import { sleep, untilAborted } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { keepSession, watchHeldLock } from './lock-session.ts'

describe('keepSession', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  test('renews every third of the lifetime, until end is called', async () => {
    const renew = vi.fn(async () => true)
    const { lost, end } = keepSession({ ttlMs: 3_000, confirmedAt: performance.now(), renew })
    await vi.advanceTimersByTimeAsync(30_000)
    expect(lost.aborted).toBe(false)
    expect(renew.mock.calls.length).toBeGreaterThanOrEqual(27)
    end()
    expect(lost.aborted).toBe(true)
    await vi.advanceTimersByTimeAsync(0)
  })

  test('gives up after nine tenths of the lifetime, measured from the last confirmed request', async () => {
    const failing = keepSession({
      ttlMs: 3_000,
      confirmedAt: performance.now() - 500,
      renew: () => Promise.reject(new Error('unreachable')),
    })
    await vi.advanceTimersByTimeAsync(2_199)
    expect(failing.lost.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(failing.lost.aborted).toBe(true)
  })

  test('measures its lifetime from the request, even if the response is slow', async () => {
    let requestedAt = 0
    const { lost } = keepSession({
      ttlMs: 3_000,
      confirmedAt: performance.now(),
      renew: async () => {
        if (requestedAt > 0) throw new Error('unreachable')
        requestedAt = performance.now()
        await sleep(900)
        return true
      },
    })
    let lostAt = 0
    lost.addEventListener('abort', () => {
      lostAt = performance.now()
    })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(lostAt - requestedAt).toBeLessThanOrEqual(2_700)
    expect(lostAt - requestedAt).toBeGreaterThan(2_600)
  })

  test('a renewal that hangs does not prevent the next one', async () => {
    const renew = vi.fn(() => (renew.mock.calls.length === 1 ? new Promise<boolean>(() => undefined) : Promise.resolve(true)))
    const { lost, end } = keepSession({ ttlMs: 3_000, confirmedAt: performance.now(), renew })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(lost.aborted).toBe(false)
    end()
    await vi.advanceTimersByTimeAsync(0)
  })

  test('is lost as soon as the backend no longer knows it', async () => {
    const { lost } = keepSession({ ttlMs: 3_000, confirmedAt: performance.now(), renew: async () => false })
    await vi.advanceTimersByTimeAsync(1_100)
    expect(lost.aborted).toBe(true)
  })
})

describe('watchHeldLock', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  test('is lost with its key, although the session is alive and the first read failed', async () => {
    const session = new AbortController()
    const follow = vi.fn(async (signal: AbortSignal, onLost: () => void) => {
      if (follow.mock.calls.length === 1) throw new Error('unreachable')
      await sleep(5_000, signal)
      onLost()
    })
    const { lost } = watchHeldLock({ session: session.signal, follow })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(lost.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(300)
    expect([lost.aborted, getEventListeners(session.signal, 'abort').length]).toEqual([true, 0])
  })

  test('is lost with its session, but not after end', async () => {
    const session = new AbortController()
    const follow = (signal: AbortSignal): Promise<void> => untilAborted(signal)
    const [held, released] = [
      watchHeldLock({ session: session.signal, follow }),
      watchHeldLock({ session: session.signal, follow }),
    ]
    released.end()
    session.abort()
    await vi.advanceTimersByTimeAsync(0)
    expect([held.lost.aborted, released.lost.aborted]).toEqual([true, false])
  })
})

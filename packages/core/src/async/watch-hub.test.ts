import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SdError } from '../errors.ts'
import { sleep, untilAborted } from './timers.ts'
import { createWatchHub, type WatchHub } from './watch-hub.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(async () => {
  await hub?.close()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  for (const signal of callerSignals.splice(0)) expect(getEventListeners(signal, 'abort')).toEqual([])
})

/** Signals passed to watches: no listener may be left on them. */
const callerSignals: AbortSignal[] = []

interface Session {
  readonly key: string
  readonly offer: (value: number) => void
  readonly previous: () => number | undefined
  readonly signal: AbortSignal
  fail(error: unknown): void
}

let hub: WatchHub<number> | undefined
const sessions: Session[] = []

/** A hub whose sessions are controlled by the test. */
function createHub(): WatchHub<number> {
  sessions.length = 0
  hub = createWatchHub<number>({
    name: 'test',
    backoff: { baseMs: 100, maxMs: 100, random: () => 0.999 },
    session: (key, { offer, previous, signal }) =>
      new Promise((resolve, reject) => {
        sessions.push({ key, offer, previous, signal, fail: reject })
        signal.addEventListener('abort', () => resolve())
      }),
  })
  return hub
}

const unreachable = new SdError('SD_UNAVAILABLE', 'unreachable')

function iterate(key: string = 'a', signal?: AbortSignal) {
  if (signal) callerSignals.push(signal)
  return (hub as WatchHub<number>).watch(key, { signal })[Symbol.asyncIterator]()
}

describe('a watch hub', () => {
  test('shares one session per key, and a late consumer receives the current value', async () => {
    createHub()
    const [one, two, other] = [iterate(), iterate(), iterate('b')]
    expect(sessions.map(({ key }) => key)).toEqual(['a', 'b'])
    sessions[0]?.offer(1)
    expect([(await one.next()).value, (await two.next()).value]).toEqual([{ value: 1 }, { value: 1 }])
    const late = iterate()
    expect((await late.next()).value).toEqual({ value: 1 })
    expect([sessions.length, hub?.size]).toEqual([2, 2])
    await Promise.all([one, two, other, late].map((iterator) => iterator.return?.()))
    expect([hub?.size, sessions[0]?.signal.aborted]).toEqual([0, true])
  })

  test('yields nothing for the same value, and only the latest to a slow consumer', async () => {
    createHub()
    const iterator = iterate()
    sessions[0]?.offer(1)
    await iterator.next()
    sessions[0]?.offer(1)
    sessions[0]?.offer(2)
    sessions[0]?.offer(3)
    expect((await iterator.next()).value).toEqual({ value: 3 })
  })

  test('is stale once per outage with the first error, restarts after a pause, and is fresh with the next value, even an equal one', async () => {
    vi.setSystemTime(5_000)
    createHub()
    const iterator = iterate()
    sessions[0]?.offer(1)
    await iterator.next()
    sessions[0]?.fail(unreachable)
    expect((await iterator.next()).value).toEqual({ value: 1, stale: { since: 5_000, error: unreachable } })
    const pending = iterator.next()
    await vi.advanceTimersByTimeAsync(99)
    expect(sessions).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(sessions).toHaveLength(2)
    sessions[1]?.fail(new Error('again'))
    await vi.advanceTimersByTimeAsync(100)
    expect([sessions.length, sessions[2]?.previous()]).toEqual([3, 1])
    sessions[2]?.offer(1)
    expect((await pending).value).toEqual({ value: 1 })
  })

  test('is stale without a value when there was none', async () => {
    createHub()
    const iterator = iterate()
    sessions[0]?.fail(unreachable)
    expect((await iterator.next()).value).toEqual({ stale: { since: expect.any(Number), error: unreachable } })
  })

  test('treats a session that returns as failed', async () => {
    hub = createWatchHub<number>({ name: 'test', session: async (_, { offer }) => offer(1) })
    const iterator = iterate('key')
    await iterator.next()
    expect((await iterator.next()).value?.stale?.error.message).toBe('test: the watch of key ended')
  })

  test('ends a session with its own signal, and ignores it afterwards', async () => {
    createHub()
    const iterator = iterate()
    sessions[0]?.offer(1)
    await iterator.next()
    sessions[0]?.fail(unreachable)
    await iterator.next()
    expect(sessions[0]?.signal.aborted).toBe(true)
    sessions[0]?.offer(2)
    await vi.advanceTimersByTimeAsync(100)
    expect([sessions[1]?.signal.aborted, sessions[1]?.previous()]).toEqual([false, 1])
    sessions[1]?.offer(3)
    expect((await iterator.next()).value).toEqual({ value: 3 })
    sessions[1]?.fail(new SdError('SD_DENIED', 'no'))
    await expect(iterator.next()).rejects.toMatchObject({ code: 'SD_DENIED' })
    expect(sessions[1]?.signal.aborted).toBe(true)
  })

  test('ends every consumer with an error that is not retryable, and restarts for a later one', async () => {
    createHub()
    const [one, two] = [iterate(), iterate()]
    const reads = [one.next(), two.next()]
    sessions[0]?.fail(new SdError('SD_DENIED', 'no'))
    for (const read of reads) await expect(read).rejects.toMatchObject({ code: 'SD_DENIED' })
    const later = iterate()
    sessions[1]?.offer(7)
    expect((await later.next()).value).toEqual({ value: 7 })
  })

  test('leaves no listener on the signal of a caller that stops, or whose watch fails', async () => {
    const { signal } = new AbortController()
    createHub()
    const iterator = iterate('a', signal)
    const failing = iterate('b', signal)
    expect(getEventListeners(signal, 'abort')).toHaveLength(2)
    await iterator.return?.()
    sessions[1]?.fail(new SdError('SD_DENIED', 'no'))
    await expect(failing.next()).rejects.toMatchObject({ code: 'SD_DENIED' })
    expect(getEventListeners(signal, 'abort')).toEqual([])
    iterate('c', signal)
  })

  test('leaves nothing of a session that failed on its own signal, however many there are', async () => {
    const added = vi.spyOn(AbortSignal.prototype, 'addEventListener')
    const removed = vi.spyOn(AbortSignal.prototype, 'removeEventListener')
    createHub()
    iterate()
    for (let round = 0; round < 20; round++) {
      sessions.at(-1)?.fail(unreachable)
      await vi.advanceTimersByTimeAsync(100)
    }
    expect(sessions).toHaveLength(21)
    const listenersBySignal = new Map<unknown, number>()
    for (const signal of added.mock.contexts) listenersBySignal.set(signal, (listenersBySignal.get(signal) ?? 0) + 1)
    for (const signal of removed.mock.contexts) listenersBySignal.set(signal, (listenersBySignal.get(signal) ?? 0) - 1)
    expect(Math.max(...listenersBySignal.values())).toBeLessThanOrEqual(2)
    vi.restoreAllMocks()
  })

  test('ends when aborted, before and while it waits, and hears nothing afterwards', async () => {
    createHub()
    const controller = new AbortController()
    const iterator = iterate('a', controller.signal)
    const pending = iterator.next()
    controller.abort()
    expect((await pending).done).toBe(true)
    sessions[0]?.offer(1)
    expect((await iterate('b', controller.signal).next()).done).toBe(true)
    expect(sessions).toHaveLength(1)
  })

  test('tells the owner of staleness and recovery', async () => {
    const reported: unknown[] = []
    let fail: ((error: unknown) => void) | undefined
    hub = createWatchHub<number>({
      name: 'test',
      backoff: { baseMs: 1, maxMs: 1 },
      onStaleness: (key, error) => reported.push([key, error?.code]),
      session: (_, { offer, signal }) =>
        new Promise((resolve, reject) => {
          fail = reject
          signal.addEventListener('abort', () => resolve())
          offer(1)
        }),
    })
    const iterator = iterate()
    await iterator.next()
    fail?.(unreachable)
    await vi.advanceTimersByTimeAsync(1)
    expect(reported).toEqual([
      ['a', 'SD_UNAVAILABLE'],
      ['a', undefined],
    ])
  })

  test('closes: ends consumers, waits for sessions, refuses new watches', async () => {
    let returned = false
    hub = createWatchHub<number>({
      name: 'test',
      async session(_, { signal }) {
        await untilAborted(signal)
        await sleep(50)
        returned = true
      },
    })
    const pending = iterate().next()
    const closing = Promise.all([hub.close(), hub.close()])
    expect((await pending).done).toBe(true)
    await vi.advanceTimersByTimeAsync(50)
    await closing
    expect(returned).toBe(true)
    expect(() => iterate()).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
  })

  test('sessions that list and end at once are made ever more slowly, and soon again after one that lasted', async () => {
    createHub()
    iterate()
    async function delayAfterSession(): Promise<number> {
      const { length } = sessions
      sessions.at(-1)?.offer(length)
      sessions.at(-1)?.fail(unreachable)
      const endedAt = performance.now()
      while (sessions.length === length) await vi.advanceTimersByTimeAsync(10)
      return performance.now() - endedAt
    }
    const delays: number[] = []
    for (let round = 0; round < 20; round++) delays.push(await delayAfterSession())
    expect(delays[0]).toBeLessThanOrEqual(100)
    for (const delayMs of delays.slice(6)) {
      expect(delayMs).toBeGreaterThanOrEqual(1_000)
      expect(delayMs).toBeLessThanOrEqual(2_010)
    }
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await delayAfterSession()).toBeLessThanOrEqual(100)
  })
})

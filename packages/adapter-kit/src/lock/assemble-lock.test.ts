import { type Lock, type LockHolder, SdError, subscribeTelemetry, untilAborted, type WatchSession } from '@sd/core'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { assembleLock, type LockAdapter, type TakeOptions } from './assemble-lock.ts'
import type { TakenLock } from './held-locks.ts'

const unreachable = new SdError('SD_UNAVAILABLE', 'unreachable')
const denied = new SdError('SD_DENIED', 'denied')

interface Taken extends TakenLock {
  readonly release: ReturnType<typeof vi.fn<() => Promise<void>>>
  lose(): void
}

let nextToken = 1n
let taken: Taken[]
let take: ReturnType<typeof vi.fn<LockAdapter['take']>>
let read: ReturnType<typeof vi.fn<LockAdapter['read']>>
let close: ReturnType<typeof vi.fn<LockAdapter['close']>>
let follow: ReturnType<typeof vi.fn<LockAdapter['follow']>>
let lock: Lock

function give(): Taken {
  const lost = new AbortController()
  const one = { token: nextToken++, lost: lost.signal, release: vi.fn(async () => undefined), lose: () => lost.abort() }
  taken.push(one)
  return one
}

beforeEach(() => {
  vi.useFakeTimers()
  taken = []
  take = vi.fn(async () => give())
  read = vi.fn(async () => undefined)
  close = vi.fn(async () => undefined)
  follow = vi.fn(async (_, { signal }) => untilAborted(signal))
  lock = assembleLock({
    name: 'test',
    take,
    read,
    follow,
    close,
    operationTimeoutMs: 1_000,
    backoff: { baseMs: 100, maxMs: 100 },
  })
})
afterEach(async () => {
  const closing = lock.close()
  await vi.advanceTimersByTimeAsync(3_000)
  await closing
  vi.useRealTimers()
})

/** Waits until the caller aborts, like a queue of contenders. */
async function queue(_: string, { signal }: TakeOptions): Promise<undefined> {
  await untilAborted(signal)
  throw unreachable
}

describe('a handle', () => {
  test('has the key, value and token, and is released once', async () => {
    const handle = await lock.acquire('job', { value: 'me' })
    expect(handle).toMatchObject({ key: 'job', value: 'me', token: taken[0]?.token })
    expect(take).toHaveBeenCalledWith('job', { value: 'me', wait: true, signal: expect.any(AbortSignal) })
    expect(handle.signal.aborted).toBe(false)
    await Promise.all([handle.release(), handle.release()])
    await handle[Symbol.asyncDispose]()
    expect([handle.signal.aborted, taken[0]?.release.mock.calls.length]).toEqual([true, 1])
  })

  test('ends with the loss of the lock, even if it came before the handle', async () => {
    const handle = await lock.acquire('job')
    taken[0]?.lose()
    expect(handle.signal.aborted).toBe(true)
    take.mockImplementationOnce(async () => {
      const one = give()
      one.lose()
      return one
    })
    expect((await lock.acquire('job')).signal.aborted).toBe(true)
    await lock.close()
    expect(taken.map(({ release }) => release.mock.calls.length)).toEqual([0, 0])
  })
})

describe('acquire', () => {
  test('keeps trying while the backend is unreachable, or the lock is held', async () => {
    take.mockRejectedValueOnce(unreachable).mockResolvedValueOnce(undefined)
    const acquiring = lock.acquire('job')
    await vi.advanceTimersByTimeAsync(200)
    expect(await acquiring).toMatchObject({ key: 'job' })
    expect(take).toHaveBeenCalledTimes(3)
  })

  test('rejects with an error that is not retryable', async () => {
    take.mockRejectedValueOnce(denied)
    await expect(lock.acquire('job')).rejects.toBe(denied)
    take.mockRejectedValueOnce(new Error('boom'))
    await expect(lock.acquire('job')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', message: 'waiting for job: boom' })
  })

  test.each<['leaves the queue' | 'ignores its signal', LockAdapter['take']]>([
    ['leaves the queue', queue],
    ['ignores its signal', () => new Promise(() => undefined)],
  ])('ends at its limit, its signal or close, if the backend %s', async (_, implementation) => {
    take.mockImplementation(implementation)
    const limited = expect(lock.acquire('job', { timeoutMs: 500 })).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await vi.advanceTimersByTimeAsync(500)
    await limited
    const controller = new AbortController()
    const aborted = expect(lock.acquire('job', { signal: controller.signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    controller.abort()
    await aborted
    const { length } = take.mock.calls
    await expect(lock.acquire('job', { signal: controller.signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
    expect(take).toHaveBeenCalledTimes(length)
    const closed = expect(lock.acquire('job')).rejects.toMatchObject({ code: 'SD_CLOSED' })
    await lock.close()
    await closed
  })

  test('releases a lock that is acquired after the caller aborted', async () => {
    const arrival = Promise.withResolvers<Taken>()
    take.mockReturnValueOnce(arrival.promise)
    const limited = expect(lock.acquire('job', { timeoutMs: 500 })).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await vi.advanceTimersByTimeAsync(500)
    await limited
    const late = give()
    late.release.mockRejectedValueOnce(unreachable)
    arrival.resolve(late)
    await vi.advanceTimersByTimeAsync(0)
    expect(late.release).toHaveBeenCalledTimes(1)
  })

  test.each([undefined, 500])('never keeps a lock that is acquired while the caller aborts (limit %s)', async (timeoutMs) => {
    for (let ticks = 0; ticks < 20; ticks++) {
      const controller = new AbortController()
      take.mockImplementationOnce(async () => {
        void (async () => {
          for (let tick = 0; tick < ticks; tick++) await undefined
          controller.abort()
        })()
        return give()
      })
      const handle = await lock
        .acquire('job', { signal: controller.signal, ...(timeoutMs && { timeoutMs }) })
        .catch(() => undefined)
      await vi.advanceTimersByTimeAsync(0)
      expect(taken.at(-1)?.release).toHaveBeenCalledTimes(handle ? 0 : 1)
      await handle?.release()
    }
  })
})

describe('tryAcquire', () => {
  test('acquires a free lock, and returns undefined for a held one', async () => {
    expect(await lock.tryAcquire('job', { value: 'me' })).toMatchObject({ key: 'job', value: 'me' })
    expect(take).toHaveBeenCalledWith('job', { value: 'me', wait: false, signal: expect.any(AbortSignal) })
    take.mockResolvedValueOnce(undefined)
    expect(await lock.tryAcquire('job')).toBeUndefined()
  })

  test('rejects at once when the backend is unreachable, and at the limit when it hangs', async () => {
    take.mockRejectedValueOnce(unreachable)
    await expect(lock.tryAcquire('job')).rejects.toBe(unreachable)
    take.mockImplementation(queue)
    for (const [timeoutMs, limitMs] of [
      [undefined, 1_000],
      [100, 100],
    ] as const) {
      const hanging = expect(lock.tryAcquire('job', { ...(timeoutMs && { timeoutMs }) })).rejects.toMatchObject({
        code: 'SD_TIMEOUT',
        retryable: true,
      })
      await vi.advanceTimersByTimeAsync(limitMs)
      await hanging
    }
  })
})

describe('the holder', () => {
  test('is read within the limit', async () => {
    const holder: LockHolder = { value: 'me', token: 7n }
    read.mockResolvedValueOnce(holder)
    expect([await lock.holder('job'), await lock.holder('job')]).toEqual([holder, undefined])
    read.mockReturnValueOnce(new Promise(() => undefined))
    const hanging = expect(lock.holder('job')).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await vi.advanceTimersByTimeAsync(1_000)
    await hanging
    await expect(lock.holder('job', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'SD_ABORTED' })
  })

  test('can be watched: null if the lock is free, and the same token is the same holder', async () => {
    let session: WatchSession<LockHolder | null> | undefined
    follow.mockImplementation(async (_, started) => {
      session = started
      await untilAborted(started.signal)
    })
    const iterator = lock.watchHolder('job')[Symbol.asyncIterator]()
    const seen: unknown[] = []
    for (const holders of [
      [null, null],
      [{ value: 'a', token: 1n }],
      [
        { value: 'a', token: 1n },
        { value: 'b', token: 2n },
      ],
      [null],
    ]) {
      const next = iterator.next()
      for (const holder of holders) session?.offer(holder)
      seen.push((await next).value?.value)
    }
    expect(seen).toEqual([null, { value: 'a', token: 1n }, { value: 'b', token: 2n }, null])
    await iterator.return?.()
    expect(session?.signal.aborted).toBe(true)
  })
})

describe('the list of held locks', () => {
  const list = vi.fn<NonNullable<LockAdapter['list']>>(async () => ({ locks: [], isTruncated: false }))
  function withList(): Lock {
    return assembleLock({ name: 'test', take, read, follow, close, list, operationTimeoutMs: 1_000 })
  }

  test('is unsupported without a function of the adapter', async () => {
    expect(lock.capabilities).toEqual({ list: false })
    await expect(lock.list('')).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
  })

  test('has a limit, a time limit and checked arguments', async () => {
    await using listing = withList()
    expect(listing.capabilities).toEqual({ list: true })
    expect(await listing.list('jobs/')).toEqual({ locks: [], isTruncated: false })
    await listing.list('', { limit: 5 })
    expect(list.mock.calls.map(([prefix, limit]) => [prefix, limit])).toEqual([
      ['jobs/', 1_000],
      ['', 5],
    ])
    await expect(listing.list('', { limit: 10_001 })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'limit' })
    await expect(listing.list(1 as never)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'prefix' })
    await expect(listing.list('', { max: 1 } as never)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'max' })
    list.mockReturnValueOnce(new Promise(() => undefined))
    const hanging = expect(listing.list('')).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
    await vi.advanceTimersByTimeAsync(1_000)
    await hanging
    await listing.close()
    await expect(listing.list('')).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })
})

test('the states of locks are published, and their payload can be sent as JSON', async () => {
  const events: string[] = []
  onTestFinished(subscribeTelemetry('sd:v1:lock:state', (event) => void events.push(JSON.stringify(event))))
  const handles = [await lock.acquire('job'), await lock.acquire('task')]
  taken[0]?.lose()
  await Promise.all(handles.map((handle) => handle.release()))
  await handles[1]?.release()
  const [first, second] = handles.map(({ token }) => String(token))
  expect(events.map((event) => JSON.parse(event))).toEqual([
    { lock: 'test', key: 'job', state: 'acquired', token: first },
    { lock: 'test', key: 'task', state: 'acquired', token: second },
    { lock: 'test', key: 'job', state: 'lost', token: first },
    { lock: 'test', key: 'task', state: 'released', token: second },
  ])
})

describe('close', () => {
  test('releases held locks, closes the backend once, and rejects later calls', async () => {
    const handle = await lock.acquire('job')
    const watching = lock.watchHolder('job')[Symbol.asyncIterator]().next()
    await Promise.all([lock.close(), lock.close(), lock[Symbol.asyncDispose]()])
    expect([handle.signal.aborted, (await watching).done, close.mock.calls.length]).toEqual([true, true, 1])
    expect(taken[0]?.release.mock.invocationCallOrder[0]).toBeLessThan(close.mock.invocationCallOrder[0] as number)
    for (const late of [lock.acquire('job'), lock.tryAcquire('job'), lock.holder('job')])
      await expect(late).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(() => lock.watchHolder('job')).toThrow(expect.objectContaining({ code: 'SD_CLOSED' }))
  })

  test('takes no longer than its limits while the backend hangs', async () => {
    await lock.acquire('job')
    const forever = new Promise<never>(() => undefined)
    taken[0]?.release.mockReturnValueOnce(forever)
    follow.mockReturnValueOnce(forever)
    close.mockReturnValueOnce(forever)
    const watching = lock.watchHolder('job')[Symbol.asyncIterator]().next()
    const closing = lock.close()
    await vi.advanceTimersByTimeAsync(2_000)
    expect([close.mock.calls.length, (await watching).done]).toEqual([1, true])
    await vi.advanceTimersByTimeAsync(1_000)
    await closing
  })
})

test.each([
  ['key', () => lock.acquire('')],
  ['key', () => lock.holder(' a')],
  ['key', async () => lock.watchHolder('a\n')],
  ['value', () => lock.tryAcquire('a', { value: 'x'.repeat(4_097) })],
  ['timeoutMs', () => lock.acquire('a', { timeoutMs: 0 })],
])('an invalid %s is rejected', async (field, run) => {
  await expect(run()).rejects.toMatchObject({ code: 'SD_INVALID', field })
  expect(take).not.toHaveBeenCalled()
})

test('by default the delay between attempts grows to at most 2 s', async () => {
  await lock.close()
  take.mockRejectedValue(unreachable)
  lock = assembleLock({ name: 'test', take, read, follow, close, operationTimeoutMs: 1_000 })
  const controller = new AbortController()
  const waiting = expect(lock.acquire('job', { signal: controller.signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
  await vi.advanceTimersByTimeAsync(10_000)
  const { length } = take.mock.calls
  await vi.advanceTimersByTimeAsync(2_000)
  expect(take.mock.calls.length).toBeGreaterThan(length)
  controller.abort()
  await waiting
})

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createBackoff } from './backoff.ts'
import { createLatestWins } from './latest-wins.ts'
import { sleep, untilAborted, withAnySignal, withTimeout } from './timers.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('createLatestWins', () => {
  test('yields the newest value, and waits without one', async () => {
    const stream = createLatestWins<number>()
    stream.offer(1)
    stream.offer(2)
    expect(await stream.next()).toEqual({ done: false, value: 2 })
    const waiting = [stream.next(), stream.next()]
    stream.offer(3)
    stream.offer(4)
    expect(await Promise.all(waiting)).toEqual([
      { done: false, value: 3 },
      { done: false, value: 4 },
    ])
  })

  test('does not yield the last value again, even after another one', async () => {
    const stream = createLatestWins<number>()
    stream.offer(1)
    await stream.next()
    stream.offer(2)
    stream.offer(1)
    const next = stream.next()
    stream.offer(1)
    stream.offer(3)
    expect((await next).value).toBe(3)
  })

  test('ends from either side at once, and calls onEnd once', async () => {
    const onEnd = vi.fn()
    const stream = createLatestWins<number>({ onEnd })
    stream.offer(1)
    const iterated: number[] = []
    for await (const value of stream) {
      iterated.push(value)
      stream.end()
    }
    stream.offer(2)
    stream.end()
    stream.fail(new Error('late'))
    expect([iterated, await stream.next()]).toEqual([[1], { done: true, value: undefined }])
    expect(onEnd).toHaveBeenCalledOnce()
    const other = createLatestWins<number>()
    const pending = other.next()
    await other.return()
    expect((await pending).done).toBe(true)
  })

  test('throws a failure once, to the waiting reader or the next one', async () => {
    const waiting = createLatestWins<number>()
    const pending = waiting.next()
    waiting.fail(new Error('broken'))
    await expect(pending).rejects.toThrow('broken')
    expect((await waiting.next()).done).toBe(true)
    const asked = createLatestWins<number>()
    asked.offer(1)
    asked.fail(new Error('broken'))
    await expect(asked.next()).rejects.toThrow('broken')
    expect((await asked.next()).done).toBe(true)
  })
})

describe('waiting', () => {
  test('sleep ends on time, or when aborted', async () => {
    const slept = sleep(100)
    await vi.advanceTimersByTimeAsync(100)
    await slept
    const controller = new AbortController()
    const aborted = sleep(100, controller.signal)
    controller.abort('why')
    await expect(aborted).rejects.toMatchObject({ code: 'SD_ABORTED', cause: 'why' })
    await expect(sleep(100, controller.signal)).rejects.toMatchObject({ code: 'SD_ABORTED' })
    await untilAborted(controller.signal)
    const later = new AbortController()
    const until = untilAborted(later.signal)
    later.abort()
    await until
  })

  test('withTimeout settles at the limit or abort, even if the operation does not, and returns results', async () => {
    const options = { timeoutMs: 100, what: 'reading' }
    expect(await withTimeout(options, async () => 1)).toBe(1)
    const broken = withTimeout(options, () => {
      throw new Error('at once')
    })
    await expect(broken).rejects.toThrow('at once')
    expect(vi.getTimerCount()).toBe(0)
    await expect(withTimeout(options, () => Promise.reject(new Error('x')))).rejects.toThrow('x')
    let inner: AbortSignal | undefined
    const deaf = withTimeout(options, (signal) => {
      inner = signal
      return new Promise(() => undefined)
    })
    const caught = expect(deaf).rejects.toMatchObject({
      code: 'SD_TIMEOUT',
      message: 'reading took longer than 100 ms',
      retryable: true,
    })
    await vi.advanceTimersByTimeAsync(100)
    await caught
    expect(inner?.aborted).toBe(true)
    const controller = new AbortController()
    const stopped = withTimeout({ ...options, signal: controller.signal }, () => new Promise(() => undefined))
    controller.abort()
    await expect(stopped).rejects.toMatchObject({ code: 'SD_ABORTED' })
    await expect(withTimeout({ ...options, signal: controller.signal }, async () => 1)).rejects.toMatchObject({
      code: 'SD_ABORTED',
    })
  })
})

test('backoff grows to its limit, in the upper half of each step, and can be reset', () => {
  const lowest = createBackoff({ baseMs: 100, maxMs: 1_000, random: () => 0 })
  const highest = createBackoff({ baseMs: 100, maxMs: 1_000, random: () => 0.999_999 })
  expect(Array.from({ length: 6 }, () => lowest.next())).toEqual([50, 100, 200, 400, 500, 500])
  expect(Array.from({ length: 6 }, () => highest.next())).toEqual([100, 200, 400, 800, 1_000, 1_000])
  lowest.reset()
  expect(lowest.next()).toBe(50)
  expect(() => createBackoff({ factor: 0 })).toThrow('Invalid backoff.factor')
})

describe('withAnySignal', () => {
  test('aborts with the first signal and its reason, and removes its listeners afterwards', async () => {
    const [long, short] = [new AbortController(), new AbortController()]
    const listening = vi.spyOn(long.signal, 'removeEventListener')
    const result = withAnySignal([long.signal, undefined, short.signal], async (signal) => {
      await untilAborted(signal)
      return signal.reason as unknown
    })
    short.abort('enough')
    expect(await result).toBe('enough')
    expect(listening).toHaveBeenCalledTimes(1)
    expect(await withAnySignal([short.signal], async ({ aborted }) => aborted)).toBe(true)
    const left = await withAnySignal([long.signal], async (signal) => signal)
    expect([left.aborted, long.signal.aborted]).toEqual([true, false])
    await expect(withAnySignal([], () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  })
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createOpenCalls, type OpenCall } from './open-calls.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function createCall(): OpenCall & { readonly stop: ReturnType<typeof vi.fn> } {
  return { previous: undefined, next: undefined, stop: vi.fn() } as never
}

/** Notes when a promise settles. */
function track(promise: Promise<unknown>): { isSettled: boolean } {
  const tracked = { isSettled: false }
  void promise.then(() => {
    tracked.isSettled = true
  })
  return tracked
}

test('without calls, closing is done at once', async () => {
  const calls = createOpenCalls()
  expect(calls.isClosed).toBe(false)
  const closing = track(calls.close(1_000))
  expect(calls.isClosed).toBe(true)
  await vi.advanceTimersByTimeAsync(0)
  expect([closing.isSettled, vi.getTimerCount()]).toEqual([true, 0])
})

test('closing waits for the last call, and ends none', async () => {
  const calls = createOpenCalls()
  const [one, two] = [createCall(), createCall()]
  calls.add(one)
  calls.add(two)
  const closing = track(calls.close(1_000))
  calls.delete(one)
  await vi.advanceTimersByTimeAsync(500)
  expect(closing.isSettled).toBe(false)
  calls.delete(two)
  await vi.advanceTimersByTimeAsync(0)
  expect(closing.isSettled).toBe(true)
  await vi.advanceTimersByTimeAsync(5_000)
  expect([one.stop.mock.calls, two.stop.mock.calls]).toEqual([[], []])
})

test('after the time for it, the calls that are left are ended, and closing waits for them no longer', async () => {
  const calls = createOpenCalls()
  const [one, two] = [createCall(), createCall()]
  calls.add(one)
  calls.add(two)
  calls.delete(one)
  const closing = track(calls.close(1_000))
  await vi.advanceTimersByTimeAsync(999)
  expect([closing.isSettled, two.stop.mock.calls.length]).toEqual([false, 0])
  await vi.advanceTimersByTimeAsync(1)
  expect(closing.isSettled).toBe(true)
  expect(one.stop).not.toHaveBeenCalled()
  expect(two.stop).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'SD_CLOSED' }))
})

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createListing } from './listing.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const never = new AbortController().signal

test('a late list is awaited, and waiters share one read at a time', async () => {
  let hosts: readonly unknown[] = []
  const read = vi.fn(async () => hosts)
  const { until } = createListing(read)
  let listed = 0
  const waits = Array.from({ length: 100 }, (_, index) =>
    until('orders', (seen) => seen.includes(index), never).then(() => listed++),
  )
  await vi.advanceTimersByTimeAsync(550)
  expect([listed, read.mock.calls.length]).toEqual([0, 6])
  hosts = Array.from({ length: 100 }, (_, index) => index)
  await vi.advanceTimersByTimeAsync(100)
  expect(listed).toBe(100)
  await Promise.all(waits)
  await vi.advanceTimersByTimeAsync(200)
})

test('the wait ends after two seconds or with the signal, also if the server fails', async () => {
  const { until } = createListing(() => Promise.reject(new Error('away')))
  const waiting = until('orders', () => true, never)
  await vi.advanceTimersByTimeAsync(2_100)
  await waiting
  const controller = new AbortController()
  const aborted = until('orders', () => true, controller.signal)
  await vi.advanceTimersByTimeAsync(50)
  controller.abort()
  await aborted
  await expect(until('orders', () => true, AbortSignal.abort())).rejects.toMatchObject({ code: 'SD_ABORTED' })
  await vi.advanceTimersByTimeAsync(200)
})

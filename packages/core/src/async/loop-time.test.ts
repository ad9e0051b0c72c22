import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { followLoop, judgeLimit, readStandstillMs } from './loop-time.ts'

let standstillMs = 0

beforeEach(() => {
  vi.useFakeTimers()
  standstillMs = 0
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + standstillMs)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const readNow = (): number => readStandstillMs(performance.now())

test('measures the time in which nothing runs, immediately and once, but no small delays', async () => {
  followLoop({ isBusy: true })
  const before = readNow()
  await vi.advanceTimersByTimeAsync(100)
  expect(readNow()).toBe(before)
  standstillMs += 500
  // Measured before the next tick.
  expect(readNow() - before).toBe(480)
  await vi.advanceTimersByTimeAsync(200)
  expect(readNow() - before).toBe(500)
  for (let turn = 0; turn < 50; turn++) {
    standstillMs += 15
    await vi.advanceTimersByTimeAsync(20)
  }
  expect(readNow() - before).toBe(500)
})

test('ticks only while a follower is busy, and again after followLoop', async () => {
  const follower = { isBusy: true }
  followLoop(follower)
  followLoop(follower)
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(vi.getTimerCount()).toBe(1)
  follower.isBusy = false
  await vi.advanceTimersByTimeAsync(20)
  expect(vi.getTimerCount()).toBe(0)
  const before = readNow()
  standstillMs += 10_000
  follower.isBusy = true
  followLoop(follower)
  expect(readNow()).toBe(before)
})

test('uses the current timers after fake timers were replaced', async () => {
  followLoop({ isBusy: true })
  vi.useRealTimers()
  const before = readNow()
  vi.useFakeTimers()
  standstillMs += 60_000
  expect(readNow()).toBe(before)
  const follower = { isBusy: true }
  followLoop(follower)
  follower.isBusy = false
  await vi.advanceTimersByTimeAsync(20)
  expect([readNow() - before, vi.getTimerCount()]).toEqual([0, 0])
})

test('a limit is judged at once if its timer is on time, otherwise after received data was read', async () => {
  const judge = vi.fn()
  const now = performance.now()
  judgeLimit(now - 19, now, judge)
  expect(judge).toHaveBeenCalledTimes(1)
  judgeLimit(now - 20, now, judge)
  expect(judge).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(0)
  expect(judge).toHaveBeenCalledTimes(2)
})

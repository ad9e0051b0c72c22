import type { Permit } from '@sd/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createBulkhead } from './index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Takes every place. */
function fill(bulkhead: ReturnType<typeof createBulkhead>): Permit[] {
  const permits: Permit[] = []
  for (let permit = bulkhead.tryAcquire(); permit; permit = bulkhead.tryAcquire()) permits.push(permit)
  return permits
}

test('limits calls in progress; settling a permit twice has no effect', () => {
  const bulkhead = createBulkhead({ maxConcurrent: 2 })
  const [permit] = fill(bulkhead)
  permit?.settle({ ok: true })
  permit?.settle({ ok: true })
  expect(fill(bulkhead)).toHaveLength(1)
  expect(bulkhead.statistics()).toEqual({
    active: 2,
    queued: 0,
    maxConcurrent: 2,
    maxQueued: 0,
    admitted: 3,
    rejected: 2,
    timedOut: 0,
    aborted: 0,
  })
})

test('serves waiting calls in order', async () => {
  const bulkhead = createBulkhead({ maxConcurrent: 1, maxQueued: 3 })
  const [permit] = fill(bulkhead)
  const order: number[] = []
  const work = [1, 2, 3].map((number) => bulkhead.execute(() => void order.push(number)))
  await expect(bulkhead.acquire()).rejects.toMatchObject({
    code: 'SD_REJECTED',
    retryable: true,
    message: 'bulkhead is full: 1 in progress, queue limit 3',
  })
  permit?.settle({ ok: true })
  await Promise.all(work)
  expect(order).toEqual([1, 2, 3])
  await vi.advanceTimersByTimeAsync(20)
  expect(vi.getTimerCount()).toBe(0)
})

test('no call waits longer than the timeout', async () => {
  const bulkhead = createBulkhead({ maxConcurrent: 1, maxQueued: 1, queueTimeoutMs: 500 })
  fill(bulkhead)
  const rejected = expect(bulkhead.acquire()).rejects.toMatchObject({
    code: 'SD_REJECTED',
    retryable: true,
    message: 'bulkhead had no free place within 500 ms',
  })
  await vi.advanceTimersByTimeAsync(499)
  expect(bulkhead.statistics().queued).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  await rejected
  expect(bulkhead.statistics()).toMatchObject({ queued: 0, timedOut: 1 })
})

test('a signal ends the wait and leaves no listener', async () => {
  const bulkhead = createBulkhead({ maxConcurrent: 1, maxQueued: 9 })
  const [permit] = fill(bulkhead)
  const controller = new AbortController()
  const removed = vi.spyOn(controller.signal, 'removeEventListener')
  const first = bulkhead.acquire()
  const second = bulkhead.acquire({ signal: controller.signal })
  const third = bulkhead.acquire()
  controller.abort('enough')
  await expect(second).rejects.toMatchObject({ code: 'SD_ABORTED', retryable: false, cause: 'enough' })
  expect(removed).toHaveBeenCalled()
  await expect(bulkhead.acquire({ signal: controller.signal })).rejects.toMatchObject({ code: 'SD_ABORTED' })
  permit?.settle({ ok: true })
  const permitOfFirst = await first
  expect(bulkhead.statistics()).toMatchObject({ queued: 1, aborted: 1 })
  permitOfFirst.settle({ ok: true })
  await third
})

test('failed work releases its place', async () => {
  const bulkhead = createBulkhead({ maxConcurrent: 1 })
  const failure = new Error('boom')
  await expect(bulkhead.execute(() => Promise.reject(failure))).rejects.toBe(failure)
  expect(bulkhead.statistics().active).toBe(0)
})

describe('resize', () => {
  test('new places go to waiting calls; fewer places apply once calls in progress end', async () => {
    const bulkhead = createBulkhead({ maxConcurrent: 1, maxQueued: 5 })
    const [permit] = fill(bulkhead)
    const waiting = [bulkhead.acquire(), bulkhead.acquire()]
    bulkhead.resize({ maxConcurrent: 3 })
    await Promise.all(waiting)
    bulkhead.resize({ maxConcurrent: 1 })
    permit?.settle({ ok: true })
    expect(bulkhead.statistics()).toMatchObject({ active: 2, maxConcurrent: 1, maxQueued: 5 })
    expect(bulkhead.tryAcquire()).toBeUndefined()
  })

  test('a shorter queue rejects the newest calls', async () => {
    const bulkhead = createBulkhead({ maxConcurrent: 1, maxQueued: 2 })
    const [permit] = fill(bulkhead)
    const first = bulkhead.acquire()
    const last = expect(bulkhead.acquire()).rejects.toMatchObject({ code: 'SD_REJECTED' })
    bulkhead.resize({ maxQueued: 1 })
    await last
    permit?.settle({ ok: true })
    await first
  })

  test('an invalid size changes nothing', () => {
    const bulkhead = createBulkhead({ maxConcurrent: 1, maxQueued: 2 })
    expect(() => bulkhead.resize({ maxConcurrent: 4, maxQueued: -1 })).toThrow('Invalid maxQueued: got -1')
    expect(() => bulkhead.resize({ name: 'x' } as never)).toThrow('Invalid name: unknown field')
    expect(bulkhead.statistics()).toMatchObject({ maxConcurrent: 1, maxQueued: 2 })
  })
})

test('close rejects waiting and later calls; calls in progress can finish', async () => {
  const bulkhead = createBulkhead({ maxConcurrent: 1, maxQueued: 2, name: 'orders' })
  const [permit] = fill(bulkhead)
  const waiting = expect(bulkhead.acquire()).rejects.toMatchObject({ code: 'SD_CLOSED', message: 'orders is closed' })
  bulkhead.close()
  bulkhead[Symbol.dispose]()
  await waiting
  permit?.settle({ ok: true })
  expect(bulkhead.tryAcquire()).toBeUndefined()
  await expect(bulkhead.execute(() => 1)).rejects.toMatchObject({ code: 'SD_CLOSED' })
  await vi.advanceTimersByTimeAsync(20)
  expect([bulkhead.statistics().active, vi.getTimerCount()]).toEqual([0, 0])
})

test.each([
  ['maxConcurrent', { maxConcurrent: 0 }],
  ['maxQueued', { maxConcurrent: 1, maxQueued: Number.POSITIVE_INFINITY }],
  ['queueTimeoutMs', { maxConcurrent: 1, queueTimeoutMs: 0 }],
  ['name', { maxConcurrent: 1, name: ' ' }],
  ['limit', { maxConcurrent: 1, limit: 1 } as never],
])('a bad %s is refused', (field, options) => {
  expect(() => createBulkhead(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

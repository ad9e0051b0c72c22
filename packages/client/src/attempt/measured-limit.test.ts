import type { CallContext } from '@sd/core'
import { createSeededRandom } from '@sd/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AttemptLimit, AttemptLimitRequest } from './attempt-limit.ts'
import { createMeasuredLimit } from './measured-limit.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function call(path: string = '/a', timeoutMs: number = 2_000, method: string = 'GET'): AttemptLimitRequest {
  const startedAt = performance.now()
  return { call: { method, path, startedAt, deadlineAt: startedAt + timeoutMs } as CallContext, mayRepeat: true }
}
/** Responses that take 10 ms at the median and 80 ms at the 99th percentile. */
function learn(limit: AttemptLimit, path: string = '/a', factor: number = 1): void {
  const random = createSeededRandom(7)
  for (let response = 0; response < 1_000; response++) {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    limit.learn(factor * 10 * Math.exp(0.894 * normal), call(path).call)
  }
}

test('before enough responses it is half of the time limit, at least a second; without a time limit there is none', () => {
  const limit = createMeasuredLimit()
  const limits = [100, 2_000, 10_000, Number.POSITIVE_INFINITY].map((timeoutMs) => limit.currentMs(call('/a', timeoutMs)))
  expect(limits).toEqual([1_000, 1_000, 5_000, 0])
})

test.each<[string, number, number, number, number]>([
  ['the floor', 1, 2_000, 500, 500],
  ['a tenth of the time limit', 1, 10_000, 1_000, 1_000],
  ['five times the 99th percentile', 2, 2_000, 700, 900],
  ['half of the time limit', 10, 2_000, 1_000, 1_000],
  ['longer than the deadline of an impatient caller', 1, 200, 500, 500],
])('after enough responses: %s', (_, factor, timeoutMs, least, most) => {
  const limit = createMeasuredLimit()
  learn(limit, '/a', factor)
  const limitMs = limit.currentMs(call('/a', timeoutMs))
  expect(limitMs).toBeGreaterThanOrEqual(least)
  expect(limitMs).toBeLessThanOrEqual(most)
})

test('a slow operation does not have the limit of fast ones, and ids in a path do not create kinds', () => {
  const limit = createMeasuredLimit()
  for (let id = 0; id < 200; id++) limit.learn(10, call(`/stock/${id}?a=${id}`).call)
  expect(limit.currentMs(call('/stock/999'))).toBe(500)
  for (const [path, method] of [
    ['/stock/999/log', 'GET'],
    ['/stock', 'GET'],
    ['/stock/1', 'POST'],
  ]) {
    expect(limit.currentMs(call(path, 2_000, method))).toBe(1_000)
  }
})

test('old latencies are forgotten', () => {
  const limit = createMeasuredLimit()
  learn(limit)
  vi.advanceTimersByTime(61_000)
  expect(limit.currentMs(call())).toBe(1_000)
})

test('a hanging instance does not change the limit, a slow service extends it at once', () => {
  const limit = createMeasuredLimit()
  learn(limit)
  for (let attempt = 0; attempt < 200; attempt++) {
    expect(limit.currentMs(call())).toBe(500)
    vi.advanceTimersByTime(10)
    if (attempt % 5 !== 0) limit.learn(10, call().call)
  }
  expect(limit.currentMs(call())).toBe(500)
  vi.advanceTimersByTime(501)
  expect(limit.currentMs(call())).toBe(1_000)
  limit.learn(700, call().call)
  expect(limit.currentMs(call())).toBe(1_000)
  vi.advanceTimersByTime(10_000)
  limit.learn(10, call().call)
  expect(limit.currentMs(call())).toBe(500)
})

test('invalid options are rejected', () => {
  for (const [field, options] of [
    ['percentile', { percentile: 1 }],
    ['multiple', { multiple: 0 }],
    ['minMs', { minMs: 0 }],
    ['maxMs', { minMs: 100, maxMs: 99 }],
    ['shortest', { shortest: 1 }],
  ] as const) {
    expect(() => createMeasuredLimit(options as object)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  }
})

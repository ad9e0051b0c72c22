import { SdError } from '@sd/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SlowCalls, showPath } from './slow-calls.ts'

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => void vi.useRealTimers())

function end(slow: SlowCalls, durationMs: number, error?: SdError): void {
  const call = { service: 'a', method: 'GET', path: `/${durationMs}`, startedAt: 0 }
  slow.call({ call, durationMs, attempts: 1, ...(error && { error }) }, error !== undefined)
}

function pass(slow: SlowCalls, seconds: number): void {
  vi.advanceTimersByTime(seconds * 1_000)
  for (let second = 0; second < seconds; second++) slow.tick()
}

test('keeps the 50 slowest of five minutes', () => {
  const slow = new SlowCalls()
  for (let index = 0; index < 200; index++) end(slow, (index * 73) % 200)
  const durations = () => slow.report().slowest.map(({ durationMs }) => durationMs)
  expect(durations()).toEqual(Array.from({ length: 50 }, (_, index) => 199 - index))
  pass(slow, 60)
  end(slow, 5_000)
  end(slow, 1)
  expect(durations().slice(0, 2)).toEqual([5_000, 199])
  pass(slow, 240)
  expect(durations()).toEqual([5_000, 1])
  pass(slow, 60)
  expect(durations()).toEqual([])
})

test('keeps the last 50 failed of five minutes, latest first', () => {
  const slow = new SlowCalls()
  const error = new SdError('SD_TIMEOUT', 'late')
  for (let index = 0; index < 60; index++) end(slow, index, error)
  const { failed } = slow.report()
  expect([failed.length, failed[0]?.path, failed.at(-1)?.path]).toEqual([50, '/59', '/10'])
  pass(slow, 301)
  expect(slow.report().failed).toEqual([])
})

test('finds the instance of the last attempt among the latest', () => {
  const slow = new SlowCalls()
  const call = { service: 'a', method: 'GET', path: '/', startedAt: 0 }
  slow.attempt(call, 'first')
  slow.attempt(call, 'second')
  slow.call({ call, durationMs: 1, attempts: 2 }, false)
  for (let other = 0; other < 64; other++) slow.attempt({}, 'other')
  slow.call({ call, durationMs: 2, attempts: 2 }, false)
  expect(slow.report().slowest.map(({ instanceId }) => instanceId)).toEqual([undefined, 'second'])
})

test.each([
  ['/a?token=x', '/a'],
  ['/a#x', '/a'],
  ['/users/token/abc/x', '/users/token/***/x'],
  ['/token/', '/token/'],
  ['?x', ''],
  [`/${'x'.repeat(2_000)}`, `/${'x'.repeat(999)}`],
])('%s is shown as %s', (path, shown) => {
  expect(showPath(path)).toBe(shown)
})

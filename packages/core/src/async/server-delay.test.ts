import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SdError } from '../errors.ts'
import { createBackoff } from './backoff.ts'
import { delayBeforeRetry, readServerDelay } from './server-delay.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(1994, 10, 6, 8, 49, 0) })
})
afterEach(() => {
  vi.useRealTimers()
})

test.each<[string, Record<string, string | string[]>, number | undefined]>([
  ['nothing', {}, undefined],
  ['seconds', { 'retry-after': '120' }, 120_000],
  ['zero', { 'retry-after': '0' }, 0],
  ['the preferred date', { 'retry-after': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 37_000],
  ['the date of RFC 850', { 'retry-after': 'Sunday, 06-Nov-94 08:49:37 GMT' }, 37_000],
  ['the date of asctime', { 'retry-after': 'Sun Nov  6 08:49:37 1994' }, 37_000],
  ['a date in the past', { 'retry-after': 'Sun, 06 Nov 1994 08:00:00 GMT' }, 0],
  [
    "a date by the server's own clock",
    { 'retry-after': 'Sun, 06 Nov 2044 08:49:37 GMT', date: 'Sun, 06 Nov 2044 08:49:30 GMT' },
    7_000,
  ],
  ['an invalid date', { 'retry-after': 'Sun, 99 Nov 1994 08:49:37 GMT' }, undefined],
  ['a number that Date.parse accepts', { 'retry-after': '5.5' }, undefined],
  ['a negative number', { 'retry-after': '-5' }, undefined],
  ['two values', { 'retry-after': ['1', '2'] }, undefined],
  ['a pushback', { 'grpc-retry-pushback-ms': '250' }, 250],
  ['a pushback takes precedence', { 'grpc-retry-pushback-ms': '0', 'retry-after': '9' }, 0],
  ['a negative pushback', { 'grpc-retry-pushback-ms': '-1', 'retry-after': '9' }, -1],
  ['a pushback that is not a number', { 'grpc-retry-pushback-ms': 'soon' }, -1],
  ['two pushbacks', { 'grpc-retry-pushback-ms': ['1', '2'] }, -1],
])('%s', (_, headers, delay) => {
  expect(readServerDelay(headers)).toBe(delay)
  expect(readServerDelay(new Headers(Object.entries(headers).map(([name, value]) => [name, String(value)])))).toBe(delay)
})

test.each<[unknown, number]>([
  [undefined, 100],
  [new Error('x'), 100],
  [new SdError('SD_UNAVAILABLE', 'x'), 100],
  [new SdError('SD_UNAVAILABLE', 'x', { retryAfterMs: 50 }), 100],
  [new SdError('SD_UNAVAILABLE', 'x', { retryAfterMs: 5_000 }), 5_000],
  [new SdError('SD_UNAVAILABLE', 'x', { retryAfterMs: 1e9 }), 3_600_000],
])('after %o the delay is %d ms', (error, expected) => {
  expect(delayBeforeRetry(createBackoff({ baseMs: 100, random: () => 1 }), error)).toBe(expected)
})

import { type RetryPolicy, SdError } from '@sd/core'
import { expect, test } from 'vitest'
import { repickPolicy } from './repick.ts'

const lost = { error: new SdError('SD_UNAVAILABLE', 'connection refused'), sent: false }
const base = { call: { method: 'POST', headers: {} }, attempt: 1, replayable: true, ...lost }

test.each<[string, object, 0 | undefined]>([
  ['a connection that could not be made', {}, 0],
  ['an attempt that took too long before it was sent', { error: new SdError('SD_TIMEOUT', 'late') }, 0],
  ['a connection that broke, for a GET', { sent: true, call: { method: 'GET', headers: {} } }, 0],
  [
    'a connection that broke, for a POST with an idempotency key',
    { sent: true, call: { method: 'POST', headers: { 'idempotency-key': 'k' } } },
    0,
  ],
  ['the second attempt', { attempt: 2 }, 0],
  ['the third attempt, not', { attempt: 3 }, undefined],
  ['a connection that broke, for a POST, not', { sent: true }, undefined],
  [
    'a connection that broke, with a body that can not be sent again, not',
    { sent: true, call: { method: 'GET', headers: {} }, replayable: false },
    undefined,
  ],
  ['a response, not', { error: undefined, status: 503 }, undefined],
  ['a refusal by a policy, not', { error: new SdError('SD_REJECTED', 'open') }, undefined],
  [
    'an error that another instance would have too, not',
    { error: new SdError('SD_UNAVAILABLE', 'x', { retryable: false, origin: 'local' }) },
    undefined,
  ],
])('without a retry policy, another endpoint is tried after %s', (_, change, expected) => {
  expect(repickPolicy.next({ ...base, ...change } as unknown as Parameters<RetryPolicy['next']>[0])).toBe(expected)
})

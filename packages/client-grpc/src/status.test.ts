import { status } from '@grpc/grpc-js'
import { judgeOutcome } from '@sd/core'
import { expect, test } from 'vitest'
import { toOutcome } from './status.ts'

test('the codes that the README lists count against the host', () => {
  const codes = Object.keys(status).filter((name) => Number.isNaN(Number(name))) as (keyof typeof status)[]
  const verdictOf = (name: keyof typeof status): string =>
    judgeOutcome(toOutcome('orders', status[name], '', { deadlineBy: 'peer' }))
  const failures = codes.filter((name) => verdictOf(name) === 'failure')
  expect(failures).toEqual(['UNKNOWN', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'])
  expect(codes.filter((name) => verdictOf(name) === 'neutral')).toEqual(['CANCELLED'])
  expect(judgeOutcome(toOutcome('orders', status.DEADLINE_EXCEEDED, ''))).toBe('neutral')
})

test('a call without a response is an error, a call with one has a status', () => {
  expect(toOutcome('orders', status.OK, '', { latencyMs: 12 })).toEqual({ ok: true, status: 200, latencyMs: 12 })
  expect(toOutcome('orders', status.INTERNAL, '')).toMatchObject({ ok: false, status: 500 })
  const { ok, status: httpStatus, error } = toOutcome('orders', status.CANCELLED, 'by the caller')
  expect([ok, httpStatus, error?.code]).toEqual([false, undefined, 'SD_ABORTED'])
  expect(error?.message).toBe('Calling orders failed: CANCELLED: by the caller')
  expect(toOutcome('orders', 99, '')).toMatchObject({ ok: false, status: 500 })
})

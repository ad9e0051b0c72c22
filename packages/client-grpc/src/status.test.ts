import { status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { toOutcome } from './status.ts'

test('the codes that speak against the host are failures, as the README lists them', () => {
  const codes = Object.keys(status).filter((name) => Number.isNaN(Number(name))) as (keyof typeof status)[]
  const failures = codes.filter((name) => !toOutcome('orders', status[name], '').ok)
  expect(failures).toEqual(['UNKNOWN', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'])
})

test('what was not answered is an error, what was has a status', () => {
  expect(toOutcome('orders', status.OK, '', 12)).toEqual({ ok: true, status: 200, latencyMs: 12 })
  expect(toOutcome('orders', status.INTERNAL, '')).toMatchObject({ ok: false, status: 500 })
  const { ok, status: httpStatus, error } = toOutcome('orders', status.CANCELLED, 'by the caller')
  expect([ok, httpStatus, error?.code]).toEqual([true, undefined, 'SD_ABORTED'])
  expect(error?.message).toBe('Calling orders failed: CANCELLED: by the caller')
  expect(toOutcome('orders', 99, '')).toMatchObject({ ok: false, status: 500 })
})

import { expect, test, vi } from 'vitest'
import { DEADLINE_HEADER, type ReadDeadlineOptions, readDeadline } from './deadline.ts'

test.each<[string, string | readonly string[] | undefined, ReadDeadlineOptions | undefined, number | undefined]>([
  ['the deadline of the caller', '250', undefined, 250],
  ['no field', undefined, undefined, undefined],
  ['two fields', ['1', '2'], undefined, undefined],
  ['nonsense', '1e3', undefined, undefined],
  ['more than the maximum of a timer', '9999999999', undefined, 2_147_483_647],
  ['below the floor', '1', { floorMs: 50 }, 50],
  ['above the floor', '60', { floorMs: 50 }, 60],
  ['an untrusted caller', '250', { trusted: false }, undefined],
  ['an untrusted caller, with a floor', '250', { trusted: false, floorMs: 10 }, undefined],
])('readDeadline: %s', (_, value, options, expected) => {
  vi.spyOn(performance, 'now').mockReturnValue(1_000)
  const deadlineAt = readDeadline({ [DEADLINE_HEADER]: value }, options)
  vi.restoreAllMocks()
  expect(deadlineAt).toBe(expected === undefined ? undefined : 1_000 + expected)
})

test('readDeadline names an invalid option', () => {
  const refused = (options: object): void => void readDeadline({}, options)
  expect(() => refused({ floorMs: -1 })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'floorMs' }))
  expect(() => refused({ trusted: 'no' })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'trusted' }))
  expect(() => refused({ floor: 1 })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'floor' }))
})

import {
  describeThrown,
  guardListener,
  isRepeatable,
  judgeOutcome,
  originOf,
  SdError,
  type SdErrorCode,
  toSdError,
} from '@sd/core'
import { expect, test, vi } from 'vitest'
import { createHostileValues } from './index.ts'

const rounds = 3_000

/** Describes the result of reading a value. */
function readingOf(value: unknown): string {
  try {
    void JSON.stringify(value)
    void `${value}`
    return typeof value
  } catch {
    return `${typeof value} that throws`
  }
}

test('the same seed gives the same values, another seed others, and every kind occurs', () => {
  const readings = (seed: number): readonly string[] => {
    const hostile = createHostileValues(seed)
    return Array.from({ length: 300 }, () => readingOf(hostile.next()))
  }
  expect(readings(1)).toEqual(readings(1))
  expect(readings(1)).not.toEqual(readings(2))
  expect([...new Set(readings(1))].sort()).toEqual(
    expect.arrayContaining(['bigint that throws', 'function', 'number', 'object', 'object that throws', 'string', 'undefined']),
  )
  const hostile = createHostileValues(3)
  for (let round = 0; round < rounds; round++) expect(['object', 'function']).toContain(typeof hostile.nextObject())
})

test('toSdError accepts any thrown value, and returns an error with the given code', () => {
  const hostile = createHostileValues(13)
  for (let round = 0; round < rounds; round++) {
    const thrown = hostile.nextError()
    const error = toSdError(thrown, 'SD_UNAVAILABLE', 'reading')
    expect(typeof error.message).toBe('string')
    expect(error.code).toBe('SD_UNAVAILABLE' satisfies SdErrorCode)
    expect(describeThrown(thrown).length).toBeLessThanOrEqual(10_001)
    expect(thrown instanceof SdError).toBe(false)
    expect(['peer', 'caller']).toContain(originOf(thrown))
    expect(typeof isRepeatable(thrown)).toBe('boolean')
    expect(['success', 'failure', 'neutral']).toContain(judgeOutcome({ ok: false, error: thrown }))
  }
})

test('a listener may do, return and throw anything', async () => {
  const rejections: unknown[] = []
  const onRejection = (reason: unknown): void => void rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  const hostile = createHostileValues(7)
  const reports: SdError[] = []
  const report = (error: SdError): unknown => {
    reports.push(error)
    return hostile.next()
  }
  for (let round = 0; round < rounds; round++) {
    guardListener('x', (_: unknown) => hostile.next(), report)(hostile.next())
    guardListener(
      'x',
      () => {
        throw hostile.next()
      },
      report,
    )()
    guardListener('x', () => Promise.reject(hostile.nextError()), report)()
  }
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', onRejection)
  warn.mockRestore()
  expect(rejections).toEqual([])
  expect(reports.length).toBeGreaterThanOrEqual(2 * rounds)
  expect(new Set(reports.map(({ code }) => code))).toEqual(new Set(['SD_LISTENER_FAILED']))
})

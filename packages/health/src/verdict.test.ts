import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CheckStatus, createVerdict } from './verdict.ts'

function statusAfter(results: string, thresholds = { rise: 2, fall: 3 }): CheckStatus {
  const verdict = createVerdict(thresholds)
  for (const result of results) verdict.record(result === '+')
  return verdict.status
}

test.each([
  ['', 'unknown'],
  ['+', 'healthy'],
  ['--', 'unknown'],
  ['--+', 'healthy'],
  ['---', 'unhealthy'],
  ['+--', 'healthy'],
  ['+--+--', 'healthy'],
  ['+---', 'unhealthy'],
  ['---+', 'unhealthy'],
  ['---+-+', 'unhealthy'],
  ['---++', 'healthy'],
  ['---++--', 'healthy'],
])('results %j say %s', (results, status) => {
  expect(statusAfter(results)).toBe(status)
})

test('is open while the next results may change the status', () => {
  const verdict = createVerdict({ rise: 2, fall: 2 })
  const open = [verdict.isOpen]
  for (const ok of [false, false, true, true, true, false]) {
    verdict.record(ok)
    open.push(verdict.isOpen)
  }
  expect(open).toEqual([true, true, false, true, false, false, true])
})

/** A plain model: the status that follows from the last results in the history. */
function modelStatuses(results: readonly boolean[], rise: number, fall: number): CheckStatus[] {
  let status: CheckStatus = 'unknown'
  return results.map((_, index) => {
    const history = results.slice(0, index + 1)
    const lastAre = (ok: boolean, count: number): boolean =>
      history.length >= count && history.slice(-count).every((result) => result === ok)
    if (lastAre(false, fall)) status = 'unhealthy'
    else if (lastAre(true, status === 'unknown' ? 1 : rise)) status = 'healthy'
    return status
  })
}

describe('against a plain model', () => {
  const results = fc.array(fc.boolean(), { maxLength: 60 })
  const threshold = fc.integer({ min: 1, max: 6 })

  test('the status is the same, and each change is reported exactly once', () => {
    fc.assert(
      fc.property(results, threshold, threshold, (history, rise, fall) => {
        const verdict = createVerdict({ rise, fall })
        const expected = modelStatuses(history, rise, fall)
        for (const [index, ok] of history.entries()) {
          const before = verdict.status
          const hasChanged = verdict.record(ok)
          expect(verdict.status).toBe(expected[index])
          expect(hasChanged).toBe(before !== verdict.status)
        }
      }),
    )
  })
})

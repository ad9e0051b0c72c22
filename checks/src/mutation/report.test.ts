import { expect, test } from 'vitest'
import { type Equivalent, findEquivalents } from './equivalents.ts'
import { mutate } from './mutants.ts'
import { reportOn } from './report.ts'
import type { Status, Verdict } from './run-package.ts'

const source = 'function f(a) {\n  begin()\n  if (a < 1) stop()\n  end()\n}'
const { mutants } = mutate('src/f.ts', source, 1)

/** Verdicts: every mutant was killed, except those whose change is named. */
function verdictsWith(others: Readonly<Record<string, Status>>): ReadonlyMap<(typeof mutants)[number], Verdict> {
  return new Map(
    mutants.map((mutant) => {
      const status = others[mutant.key.change] ?? 'killed'
      return [mutant, { status, tests: status === 'not covered' ? [] : ['f.test.ts (3)'] }]
    }),
  )
}

/** Lists the mutant with this change as equivalent. */
function listed(change: string, reason = 'no caller sees it'): Equivalent {
  const key = mutants.find((mutant) => mutant.key.change === change)?.key
  if (!key) throw new Error(`No mutant ${change}`)
  return { ...key, reason }
}

const none = findEquivalents([], mutants)

test('a mutant that timed out is not killed', () => {
  const report = reportOn('p', verdictsWith({ 'begin() -> (removed)': 'timed out', 'a < 1 -> a <= 1': 'survived' }), none, true)
  expect(report.summary).toBe(
    'p: 71.4 % of 7 mutants (5 killed, 1 survived, 0 not covered, 1 timed out), and 0 equivalent (0.0 %)',
  )
  expect(report.survivors).toEqual([
    'packages/p/src/f.ts:2 statement in f `begin() -> (removed)` [timed out] reached by f.test.ts (3)',
    'packages/p/src/f.ts:3 boundary in f `a < 1 -> a <= 1` [survived] reached by f.test.ts (3)',
  ])
  expect(report.problems).toEqual(['p: want 85 %', ...report.survivors])
})

test('a part of the mutants needs no score', () => {
  expect(reportOn('p', verdictsWith({ 'end() -> (removed)': 'not covered' }), none, true).problems).toEqual([])
  const all = Object.fromEntries(mutants.map(({ key }) => [key.change, 'survived' as const]))
  expect(reportOn('p', verdictsWith(all), none, false).problems).toEqual([])
})

test('an equivalent mutant is not in the score, but its share is limited', () => {
  const equivalents = findEquivalents([listed('end() -> (removed)')], mutants)
  const report = reportOn('p', verdictsWith({ 'end() -> (removed)': 'survived' }), equivalents, true)
  expect(report.summary).toBe(
    'p: 100.0 % of 6 mutants (6 killed, 0 survived, 0 not covered, 0 timed out), and 1 equivalent (14.3 %)',
  )
  expect(report.problems).toEqual(['p: want at most 8 % listed as equivalent'])
})

test('a mutant that a test notices is not equivalent', () => {
  const equivalents = findEquivalents([listed('end() -> (removed)')], mutants)
  expect(reportOn('p', verdictsWith({}), equivalents, false).problems).toEqual([
    'packages/p/src/f.ts:4 statement in f `end() -> (removed)` is listed as equivalent, but killed by f.test.ts (3)',
  ])
})

test('a list names existing mutants, once, with a reason', () => {
  const equivalent = listed('end() -> (removed)')
  const { problems } = findEquivalents(
    [equivalent, equivalent, listed('begin() -> (removed)', ''), { ...equivalent, line: 'end(2)' }],
    mutants,
  )
  expect(problems).toEqual([
    'listed as equivalent twice: src/f.ts f statement end() -> (removed)',
    'listed as equivalent without a reason: src/f.ts f statement begin() -> (removed)',
    'no mutant matches this entry of the equivalents: src/f.ts f statement end() -> (removed)',
  ])
})

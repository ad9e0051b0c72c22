import { expect, test } from 'vitest'
import { factsOf, NOW } from '../testing/facts.ts'
import { allRules } from './all-rules.ts'
import { ProblemTracker } from './problem-tracker.ts'
import type { Finding, Rule } from './rule.ts'
import { duration, list } from './words.ts'

const ignore = (): void => undefined

function findingOf(key: string, more: Partial<Finding> = {}): Finding {
  return { key, severity: 'warning', about: {}, text: key, evidence: [], ...more }
}

function ruleOf(find: Rule['find'], name: string = 'rule'): Rule {
  return { name, find }
}

test('the beginning of a problem is kept from poll to poll, and starts again after it has ended', () => {
  let found: readonly Finding[] = [findingOf('a')]
  const tracker = new ProblemTracker(ignore, [ruleOf(() => found)])
  const sinceAt = (at: number): number | undefined => tracker.judge(factsOf({ at })).problems[0]?.since
  expect(sinceAt(NOW)).toBe(NOW)
  expect(sinceAt(NOW + 2_000)).toBe(NOW)
  found = []
  expect(sinceAt(NOW + 4_000)).toBeUndefined()
  found = [findingOf('a')]
  expect(sinceAt(NOW + 6_000)).toBe(NOW + 6_000)
})

test('a finding is a problem once it has lasted long enough, by its own time if it has one', () => {
  const tracker = new ProblemTracker(ignore, [
    ruleOf(() => [
      findingOf('new', { afterMs: 1_000 }),
      findingOf('old', { afterMs: 1_000, since: NOW - 1_000 }),
      findingOf('future', { since: NOW + 9e9 }),
    ]),
  ])
  const namesAt = (at: number) => tracker.judge(factsOf({ at })).problems.map(({ id, since }) => [id, since])
  expect(namesAt(NOW)).toEqual([
    ['rule:old', NOW - 1_000],
    ['rule:future', NOW],
  ])
  expect(namesAt(NOW + 1_000).map(([id]) => id)).toContain('rule:new')
})

test('the most severe comes first, then the oldest; the same id appears once, and the list is bounded', () => {
  const findings = [
    findingOf('info', { severity: 'info' }),
    findingOf('young'),
    findingOf('old', { since: 1 }),
    findingOf('young'),
    findingOf('bad', { severity: 'critical' }),
  ]
  const { problems } = new ProblemTracker(ignore, [ruleOf(() => findings)]).judge(factsOf())
  expect(problems.map(({ text }) => text)).toEqual(['bad', 'old', 'young', 'info'])
  const many = new ProblemTracker(ignore, [ruleOf(() => Array.from({ length: 1_200 }, (_, index) => findingOf(String(index))))])
  expect(many.judge(factsOf())).toMatchObject({ omitted: 200 })
})

test('a rule that fails is reported once, and hides no other rule', () => {
  const errors: string[] = []
  const failing = ruleOf(() => {
    throw new Error('broken')
  }, 'failing')
  const tracker = new ProblemTracker(({ message }) => void errors.push(message), [failing, ruleOf(() => [findingOf('a')])])
  expect(tracker.judge(factsOf()).problems).toHaveLength(1)
  tracker.judge(factsOf())
  expect(errors).toEqual(['Rule failing: broken'])
})

test('the names of the rules are stable', () => {
  expect(allRules.map(({ name }) => name).sort()).toMatchInlineSnapshot(`
    [
      "alert",
      "alert-channel",
      "breaker",
      "callers-differ",
      "config-differs",
      "config-refused",
      "core-versions",
      "duplicate",
      "gateway-refused",
      "lock",
      "no-endpoint",
      "panic",
      "registration",
      "retry-budget",
      "silent-process",
      "slow-instance",
      "stale",
      "stale-config",
      "undeclared-dependency",
      "unhealthy",
      "unregistered",
      "unused-dependency",
    ]
  `)
  expect(new ProblemTracker(ignore).judge(factsOf()).problems).toEqual([])
})

test('words', () => {
  expect([
    list([]),
    list(['a']),
    list(['a', 'b']),
    list(['a', 'b', 'c']),
    list(['a', 'b', 'c', 'd']),
    list(['x'.repeat(200)]),
  ]).toEqual(['', 'a', 'a and b', 'a, b and c', 'a, b and 2 more', `${'x'.repeat(80)}…`])
  expect([900, 12_000, 240_000, 10_800_000].map(duration)).toEqual(['900 ms', '12 s', '4 min', '3 h'])
})

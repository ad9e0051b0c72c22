import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { budgets, describeBudget } from './budgets.ts'
import { root } from './gate.ts'

const sum = [...budgets.values()].reduce((total, seconds) => total + seconds)

test('the budgets of all gates sum up to at most 15 minutes', () => {
  expect(sum).toBeLessThanOrEqual(900)
})

test('CONTRIBUTING lists the budget of each gate, and the sum', () => {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
  const rows = [...text.matchAll(/^\| ([^|]+?) +\| +(\d+) s +\|/gm)].map(([, name, seconds]) => [name, Number(seconds)])
  expect(Object.fromEntries(rows)).toEqual({ ...Object.fromEntries(budgets), 'all of them': sum })
})

test('every gate of npm test has a budget', () => {
  const verify = readFileSync(join(import.meta.dirname, 'verify.ts'), 'utf8')
  const names = [...verify.matchAll(/(?:name: |commandGate\()'([^']+)'/g)].map(([, name]) => name)
  expect(new Set(names)).toEqual(new Set([...budgets.keys(), 'mutation']))
})

test('a gate over its budget is marked, one without a budget is not', () => {
  expect(describeBudget('types', 59)).toBe(' of  60 s')
  expect(describeBudget('types', 61)).toBe(' of  60 s  OVER ITS BUDGET')
  expect(describeBudget('mutation', 10_000)).toBe('')
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { budgets, describeBudget } from './budgets.ts'
import { root } from './gate.ts'

const names = [...budgets.keys()]
const sumOf = (some: readonly string[]): number => some.reduce((total, name) => total + (budgets.get(name) ?? 0), 0)
/** Up to the tests one gate runs after the other, and the others run beside the tests. */
const inOrder = names.slice(0, names.indexOf('tests') + 1)
const beside = names.slice(inOrder.length)

test('the gates take at most 15 minutes, and those beside the tests end before them', () => {
  expect(sumOf(inOrder)).toBeLessThanOrEqual(900)
  expect(sumOf(beside)).toBeLessThanOrEqual(sumOf(['tests']))
})

test('CONTRIBUTING lists the budget of each gate, and of all of them', () => {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
  const rows = [...text.matchAll(/^\| ([^|]+?) +\| +(\d+) s +\|/gm)].map(([, name, seconds]) => [name, Number(seconds)])
  expect(Object.fromEntries(rows)).toEqual({ ...Object.fromEntries(budgets), 'all of them': sumOf(inOrder) })
})

test('every gate of npm test has a budget', () => {
  const verify = readFileSync(join(import.meta.dirname, 'verify.ts'), 'utf8')
  const gates = [...verify.matchAll(/(?:name: |commandGate\()'([^']+)'/g)].map(([, name]) => name)
  expect(new Set(gates)).toEqual(new Set([...budgets.keys(), 'coverage', 'mutation', 'nest', 'runtimes']))
})

test('a gate over its budget is marked, one without a budget is not', () => {
  expect(describeBudget('types', 59)).toBe(' of  60 s')
  expect(describeBudget('types', 61)).toBe(' of  60 s  OVER ITS BUDGET')
  expect(describeBudget('mutation', 10_000)).toBe('')
})

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { root } from '../gate.ts'
import { readMutants, runMutants } from './run-package.ts'

const path = join(root, 'checks/coverage/mutated-package')

// Each run starts processes, which is slow on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

afterEach(() => rmSync(path, { recursive: true, force: true }))

/** Runs all mutants of a package with these files. @returns the verdict on each */
async function runAll(files: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
  mkdirSync(join(path, 'src'), { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, 'src', file), text)
  const mutated = readMutants(path)
  const outcomes: Record<string, string> = {}
  await runMutants(
    mutated,
    mutated.mutants,
    { workers: 1, leastTimeoutMs: 1_000, loadMs: 1_000 },
    ({ key }, { status, tests }) => {
      outcomes[key.change] = [status, ...tests].join(' ')
    },
  )
  return outcomes
}

const limit = `
  export function isOver(used: number, limit: number): boolean {
    if (used > limit) return true
    return false
  }
  export function forget(log: string[]): void {
    log.push('forgotten')
  }
`

test('a weak test leaves survivors, a good one does not', async () => {
  const head = "import { expect, test } from 'vitest'\nimport { isOver } from './limit.ts'\n"
  const weak = await runAll({
    'limit.ts': limit,
    'limit.test.ts': `${head}test('over', () => expect(isOver(2, 1)).toBe(true))\ntest('loads', () => expect(isOver).toBeDefined())\n`,
  })
  expect(weak).toEqual({
    'used > limit -> true': 'survived limit.test.ts (1)',
    'used > limit -> false': 'killed limit.test.ts: over',
    'used > limit -> !(used > limit)': 'killed limit.test.ts: over',
    'used > limit -> used >= limit': 'survived limit.test.ts (1)',
    'true -> false': 'killed limit.test.ts: over',
    'false -> true': 'not covered',
    "log.push('forgotten') -> (removed)": 'not covered',
  })
  const good = await runAll({
    'limit.ts': limit,
    'limit.test.ts': `${head}test('over', () => expect([isOver(2, 1), isOver(1, 1)]).toEqual([true, false]))\n`,
  })
  expect(Object.values(good).filter((outcome) => !outcome.startsWith('killed'))).toEqual(['not covered'])
})

test('a mutant that never ends is not killed, and the run continues', async () => {
  const outcomes = await runAll({
    'wait.ts':
      'export function wait(done: () => void): void {\n  done()\n}\nexport function spin(to: number): number {\n  let at = 0\n  while (at < to) {\n    at += 1\n  }\n  return at\n}\n',
    'wait.test.ts':
      "import { expect, test } from 'vitest'\nimport { spin, wait } from './wait.ts'\ntest('wait', () => new Promise<void>((resolve) => wait(resolve)))\ntest('spin', () => expect(spin(3)).toBe(3))\n",
  })
  expect(outcomes).toMatchObject({
    'done() -> (removed)': 'timed out wait.test.ts (1)',
    'at += 1 -> (removed)': 'timed out wait.test.ts (1)',
    'at < to -> false': 'killed wait.test.ts: spin',
    'at -> 0': 'killed wait.test.ts: spin',
  })
})

test('an unhandled error kills a mutant, in every run of a process', async () => {
  const outcomes = await runAll({
    'later.ts':
      'export function later(done?: () => void): void {\n  setImmediate(() => {\n    if (done) done()\n    if (!done) stop()\n  })\n}\nfunction stop(): void {}\n',
    'later.test.ts':
      "import { test } from 'vitest'\nimport { later } from './later.ts'\ntest('later', async () => {\n  later()\n  await new Promise((resolve) => setTimeout(resolve, 20))\n})\n",
  })
  const killed = Object.entries(outcomes).filter(([, outcome]) => outcome === 'killed later.test.ts: (done is not a function)')
  expect(killed.map(([change]) => change)).toEqual(['done -> true', 'done -> !(done)'])
})

test('tests that fail without a mutant are an error', async () => {
  const files = {
    'a.ts': 'export const a = () => 1\n',
    'a.test.ts': "import { test } from 'vitest'\ntest('no', () => { throw new Error('broken') })\n",
  }
  await expect(runAll(files)).rejects.toThrow('a.test.ts fails without a mutant: no: broken')
})

test('dependent tests run together', async () => {
  const outcomes = await runAll({
    'sum.ts': 'export const sum = (a: number, b: number): number => a + b\n',
    'sum.test.ts':
      "import { expect, test } from 'vitest'\nimport { sum } from './sum.ts'\nlet first = 0\ntest('first', () => { first = 2 })\ntest('second', () => expect(sum(first, 0)).toBe(2))\n",
  })
  expect(outcomes).toEqual({
    'a + b -> 0': 'killed sum.test.ts: second',
    'a + b -> a - b': 'survived sum.test.ts (1)',
  })
})

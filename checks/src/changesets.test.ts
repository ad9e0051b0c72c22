import { expect, test } from 'vitest'
import { checkChangesets } from './changesets.ts'
import type { Package } from './workspace.ts'

const packages = [
  { folder: 'core', manifest: { name: '@sd/core', version: '1.0.0' } },
  { folder: 'client', manifest: { name: '@sd/client', version: '0.1.0' } },
] as Package[]

function check(front: string, summary: string = 'What is new.'): readonly string[] {
  return checkChangesets(packages, new Map([['a.md', `---\n${front}\n---\n${summary}\n`]])).problems
}

test('a sound changeset passes', () => {
  expect(check('"@sd/core": minor')).toEqual([])
})

test('planted errors are reported', () => {
  expect(check('"@sd/none": minor')).toEqual(['a.md: unknown package @sd/none'])
  expect(check('"@sd/core": minor', '')).toEqual(['a.md: has no summary for users'])
  expect(check('"@sd/core": major')).toEqual(['@sd/client needs a major changeset, because @sd/core has one'])
  expect(check('"@sd/core": major\n"@sd/client": major')).toEqual([])
})

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

test('planted errors are found', () => {
  expect(check('"@sd/none": minor')).toEqual(['a.md: there is no package @sd/none'])
  expect(check('"@sd/core": minor', '')).toEqual(['a.md: says nothing to the user'])
  expect(check('"@sd/core": major')).toEqual(['@sd/client needs a major with that of @sd/core'])
  expect(check('"@sd/core": major\n"@sd/client": major')).toEqual([])
})

import { expect, test } from 'vitest'
import { checkFunctionLengths, checkImportCircles, readSourceFiles } from './rooms.ts'

function files(texts: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(texts))
}

function lines(count: number): string {
  return 'step()\n'.repeat(count)
}

test('the files of the repository are found', () => {
  const found = [...readSourceFiles().keys()]
  for (const folder of ['packages/core/src/', 'test/servers/src/', 'bench/src/', 'checks/src/']) {
    expect(found.some((file) => file.startsWith(folder))).toBe(true)
  }
})

test('a long function is found, whatever its kind', () => {
  const text = [
    `function a() {\n${lines(99)}}`,
    `const b = async () => {\n${lines(98)}}`,
    `class C {\n#d() {\n${lines(100)}}\n}`,
    `describe('tests of a', () => {\n${lines(200)}})`,
    `describe.each([1])('tests of b', () => {\n${lines(200)}})`,
  ].join('\n')
  expect(checkFunctionLengths(files({ 'packages/a/src/a.ts': text }))).toEqual([
    'packages/a/src/a.ts:1: a function of 101 lines, want at most 100',
    'packages/a/src/a.ts:203: a function of 102 lines, want at most 100',
  ])
})

test('a circle of imports is found with its files, types and re-exports included', () => {
  const sources = files({
    'a/src/index.ts': "export { b } from './b.ts'",
    'a/src/b.ts': "import { c } from './deep/c.ts'\nexport const b = c",
    'a/src/deep/c.ts': "import type { B } from '../b.ts'\nimport { d } from '../d.ts'\nexport const c = 1",
    'a/src/d.ts': "import { a } from '@sd/a'",
  })
  expect(checkImportCircles(sources)).toEqual(['files import each other in a circle: a/src/b.ts → a/src/deep/c.ts → a/src/b.ts'])
})

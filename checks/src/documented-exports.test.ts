import { expect, test } from 'vitest'
import { checkDocumented } from './documented-exports.ts'
import type { Package } from './workspace.ts'

function check(files: Readonly<Record<string, string>>): readonly string[] {
  const sources = new Map(Object.entries(files))
  return checkDocumented({ folder: 'sample', path: '', manifest: { name: '', version: '' }, readme: '', sources } as Package)
}

test('what is documented passes, through re-exports', () => {
  const files = {
    'src/index.ts': "export { a } from './a.ts'\nexport * from './b.ts'",
    'src/a.ts': '/** A. */\nexport const a = 1\nexport const hidden = 2',
    'src/b.ts': '/** B. */\nexport interface B {\n  /** X. */\n  x: number\n}',
  }
  expect(check(files)).toEqual([])
})

test('an export and a member without docstring are found', () => {
  const files = {
    'src/index.ts': "export { a, C } from './a.ts'\nexport type { B } from './b.ts'",
    'src/a.ts': '// no docstring\nexport function a() {}\n/** C. */\nexport class C { x = 1; #y = 2; constructor() {} }',
    'src/b.ts': '/** B. */\nexport interface B {\n  /** X. */\n  x: number\n  y(): void\n}',
  }
  expect(check(files)).toEqual([
    'packages/sample/src/a.ts: a has no docstring',
    'packages/sample/src/a.ts: C.x has no docstring',
    'packages/sample/src/b.ts: B.y has no docstring',
  ])
})

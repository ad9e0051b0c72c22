import { expect, test } from 'vitest'
import { checkDocumented } from './documented-exports.ts'
import type { Package } from './workspace.ts'

function check(files: Readonly<Record<string, string>>): readonly string[] {
  const sources = new Map(Object.entries(files))
  return checkDocumented({ folder: 'sample', path: '', manifest: { name: '', version: '' }, readme: '', sources } as Package)
}

test('documented exports pass, also through re-exports', () => {
  const files = {
    'src/index.ts': "export { a } from './a.ts'\nexport * from './b.ts'",
    'src/a.ts': '/** A. */\nexport const a = 1\nexport const hidden = 2',
    'src/b.ts': '/** B. */\nexport interface B {\n  /** X. */\n  x: number\n}',
  }
  expect(check(files)).toEqual([])
})

test('exports and members without a docstring are reported', () => {
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

test('a member whose docstring would only repeat its name and type needs none', () => {
  const members = [
    'readonly service: string',
    'readonly port: number',
    "readonly kind: 'cluster'",
    'readonly balancer: Balancer',
    'readonly instance: ServiceInstance',
    'readonly call: CallContext',
    'readonly instances: readonly ServiceInstance[]',
  ]
  expect(check({ 'src/index.ts': `/** A. */\nexport interface A {\n${members.join('\n')}\n}` })).toEqual([])
})

test('optional members, methods, other names and other types need a docstring', () => {
  const members = {
    optional: 'readonly service?: string',
    method: 'close(): Promise<void>',
    unit: 'readonly delay: number',
    otherName: 'readonly previous: ServiceInstance',
    single: 'readonly instances: ServiceInstance',
    union: 'readonly name: string | undefined',
    partOfAWord: 'readonly stance: ServiceInstance',
    otherWord: 'readonly call: Caller',
  }
  for (const member of Object.values(members)) {
    const name = /(?:readonly )?(\w+)/.exec(member)?.[1]
    expect(check({ 'src/index.ts': `/** A. */\nexport interface A {\n${member}\n}` })).toEqual([
      `packages/sample/src/index.ts: A.${name} has no docstring`,
    ])
  }
})

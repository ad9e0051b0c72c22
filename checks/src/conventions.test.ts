import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { checkConventions } from './conventions.ts'
import { root } from './gate.ts'
import { type Package, readPackages } from './workspace.ts'

const { catalog } = parse(readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8')) as { catalog: Record<string, string> }
const names = new Set(Object.keys(catalog))
const sound = readPackages().find(({ folder }) => folder === 'discovery') as Package

function plant(change: Partial<Package> | { manifest: object }): readonly string[] {
  return checkConventions({ ...sound, ...change } as Package, names)
}

test('a sound package has no problem', () => {
  expect(checkConventions(sound, names)).toEqual([])
})

describe('a planted error is reported', () => {
  const { manifest, readme, sources } = sound
  test.each<[string, Partial<Package> | { manifest: object }]>([
    ['name is', { folder: 'other' }],
    ['engines is', { manifest: { ...manifest, engines: { node: '>=20' } } }],
    ['exports is', { manifest: { ...manifest, exports: { '.': './dist/index.js' } } }],
    ['want the peer @sd/core', { manifest: { ...manifest, peerDependencies: {} } }],
    ['want "catalog:"', { manifest: { ...manifest, dependencies: { semver: '^7.0.0' } } }],
    [
      'depends on @sd/client',
      { manifest: { ...manifest, dependencies: { ...manifest.dependencies, '@sd/client': 'workspace:^' } } },
    ],
    ['README.md: sections', { readme: readme.replace('## Options', '## Settings') }],
    ['README.md: want the title', { readme: readme.replace('# @sd/discovery', '# Discovery') }],
    ['README.md: want a ```ts block', { readme: readme.replace('```ts', '```js') }],
    ['split it by subject', { sources: new Map([...sources, ['src/long.ts', '\n'.repeat(500)]]) }],
    ['want kebab-case', { sources: new Map([...sources, ['src/camelCase.ts', '']]) }],
    [
      'imports undici, which is not declared',
      { sources: new Map([...sources, ['src/extra.ts', "import { Agent } from 'undici'"]]) },
    ],
  ])('%s', (message, change) => {
    expect(plant(change)).toContainEqual(expect.stringContaining(message))
  })
})

import { describe, expect, test } from 'vitest'
import { checkLayers, importsOutside, type Member, readMembers } from './layers.ts'

test('no member of this repository needs one of a higher layer', () => {
  expect(checkLayers(readMembers())).toEqual([])
})

describe('an import upwards', () => {
  const members = readMembers()
  function plant(folder: string, name: string): readonly string[] {
    const planted = members.map((one) => (one.folder === folder ? { ...one, needs: [...one.needs, name] } : one))
    return checkLayers(planted)
  }

  test.each([
    ['packages/core', '@sd/testing', 'packages/core (layer 1) needs packages/testing (layer 2): that is an import upwards'],
    ['test/faults', '@sd/client', 'test/faults (layer 2) needs packages/client (layer 6): that is an import upwards'],
    ['packages/retry', '@sd/client', 'packages/retry (layer 3) needs packages/client (layer 6): that is an import upwards'],
    [
      'packages/client',
      '@sd/simulation',
      'packages/client (layer 6) needs test/simulation (layer 12): that is an import upwards',
    ],
    ['packages/lifecycle', '@sd/bench', 'packages/lifecycle (layer 7) needs bench (layer 12): that is an import upwards'],
    ['test/consumers', '@sd/checks', 'test/consumers (layer 12) needs checks (layer 13): that is an import upwards'],
    ['test/consumers', '@sd/bench', 'test/consumers needs bench, which nothing may need'],
    ['test/servers', '@sd/core', 'test/servers needs packages/core, want no package of the workspace'],
  ])('%s needs %s', (folder, name, problem) => {
    expect(plant(folder, name)).toEqual([problem])
  })

  test.each([
    ['packages/registry-etcd', '@sd/connection-etcd'],
    ['packages/registry-failover', '@sd/registry-etcd'],
    ['checks', '@sd/bench'],
  ])('not if %s needs %s', (folder, name) => {
    expect(plant(folder, name)).toEqual([])
  })
})

test('a member without a layer is reported', () => {
  const stray: Member = { folder: 'packages/stray', name: '@sd/stray', needs: [], outside: [] }
  expect(checkLayers([stray])).toEqual(['packages/stray has no layer: add it to checks/src/layers.ts'])
})

test('a relative import of another member is reported', () => {
  const core = '../../../core/src/index.ts'
  const text = `import { a } from './a.ts'\nimport b from '../b.ts'\nconst c = await import('${core}')`
  const outside = importsOutside('packages/one', 'packages/one/src/deep/file.ts', text)
  expect(outside).toEqual([`packages/one/src/deep/file.ts: ${core}`])
  const one: Member = { folder: 'packages/core', name: '@sd/core', needs: [], outside }
  expect(checkLayers([one])).toEqual([`${outside[0]} leaves the package: import it by its name`])
})

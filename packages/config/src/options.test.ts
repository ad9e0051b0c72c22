import { expect, test } from 'vitest'
import { type ConfigOptions, createConfig, createMemoryConfigSource } from './index.ts'
import { resolveConfigOptions } from './options.ts'
import { memory } from './testing/open-config.ts'

test.each<[string, unknown]>([
  ['sources', { sources: 1 }],
  ['sources[0].watch', { sources: [{}] }],
  ['sources[0].at', { sources: [{ source: memory('x'), at: '.' }] }],
  ['sources[0].keys', { sources: [{ source: memory('x'), keys: 1 }] }],
  ['sources[0].format', { sources: [{ source: memory('x'), format: 'xml' }] }],
  ['sources[0].path', { sources: [{ source: memory('x'), path: 'a' }] }],
  ['sources[1].name', { sources: [memory('x'), memory('x')] }],
  ['sources[0].name', { sources: [memory('defaults')] }],
  ['schema', { sources: [], schema: {} }],
  ['defaults', { sources: [], defaults: { a: () => 1 } }],
  ['profiles.active', { sources: [], profiles: { active: 'prod' } }],
  ['secrets', { sources: [], secrets: 'db' }],
  ['secrets.paths[0]', { sources: [], secrets: [1] }],
  ['snapshot.path', { sources: [], snapshot: {} }],
  ['coalesceMs', { sources: [], coalesceMs: -1 }],
  ['schemas', { sources: [], schemas: 1 }],
  ['sources[0]', { sources: ['file'] }],
  ['sources[0].source', { sources: [{ source: 'file' }] }],
  ['sources[0].optional', { sources: [{ source: memory('x'), optional: 1 }] }],
  ['sources[0].relaxed', { sources: [{ source: memory('x'), relaxed: 'yes' }] }],
  ['sources[0].snapshot', { sources: [{ source: memory('x'), snapshot: 0 }] }],
  ['sources[0].keepNewline', { sources: [{ source: memory('x'), keepNewline: 0 }] }],
  ['sources[0].requireEncrypted', { sources: [{ source: memory('x'), requireEncrypted: 'a' }] }],
  ['sources[0].requireEncrypted[0]', { sources: [{ source: memory('x'), requireEncrypted: [''] }] }],
  ['sources[0].name', { sources: [memory('overrides')] }],
  ['sources[0].name', { sources: [memory('schema')] }],
  ['requireEncrypted', { sources: [], requireEncrypted: 'db' }],
  ['requireEncrypted[1]', { sources: [], requireEncrypted: ['db', 'a..b'] }],
  ['decrypt', { sources: [], decrypt: 'key' }],
  ['environment', { sources: [], environment: 'HOME' }],
  ['snapshot', { sources: [], snapshot: 'path' }],
  ['snapshot.file', { sources: [], snapshot: { path: 'a', file: 'b' } }],
  ['snapshot.waitMs', { sources: [], snapshot: { path: 'a', waitMs: -1 } }],
  ['startTimeoutMs', { sources: [], startTimeoutMs: 0 }],
  ['updateTimeoutMs', { sources: [], updateTimeoutMs: 0 }],
  ['onReport', { sources: [], onReport: {} }],
  ['closeSources', { sources: [], closeSources: 'yes' }],
  ['name', { sources: [], name: '' }],
])('%s is refused: %j', async (field, options) => {
  await expect(createConfig(options as ConfigOptions)).rejects.toMatchObject({ code: 'SD_INVALID', field })
})

test('the options of a memory source are checked too', () => {
  expect(() => createMemoryConfigSource({ entry: {} } as never)).toThrow('Invalid entry')
})

test('the least options give the documented defaults', () => {
  const source = memory('file')
  const { sources, onReport, masking, selectEntries, isRequired, ...rest } = resolveConfigOptions({ sources: [source] })
  const { keys, ...defaults } = sources[0] ?? {}
  expect([keys?.('any'), isRequired(['any'])]).toEqual([true, false])
  expect(defaults).toEqual({
    source,
    at: [],
    optional: false,
    format: undefined,
    relaxed: true,
    snapshot: true,
    keepNewline: false,
    requireEncrypted: [],
  })
  expect(rest).toEqual({
    schema: undefined,
    defaults: {},
    decrypt: undefined,
    environment: process.env,
    snapshot: undefined,
    startTimeoutMs: 10_000,
    updateTimeoutMs: 10_000,
    coalesceMs: 50,
    signal: undefined,
    closeSources: 'on-failure',
    name: 'config',
  })
})

test('given options are used', () => {
  const source = memory('file')
  const keys = (key: string): boolean => key === 'a'
  const of = (options: object) => resolveConfigOptions({ sources: [{ source, ...options }] }).sources[0]
  expect([of({ keys })?.keys, of({ keys: ['a'] })?.keys('a'), of({ keys: ['a'] })?.keys('b')]).toEqual([keys, true, false])
  expect(of({ at: 'a.b', optional: true, format: 'json', relaxed: false, snapshot: false, keepNewline: true })).toMatchObject({
    at: ['a', 'b'],
    optional: true,
    format: 'json',
    relaxed: false,
    snapshot: false,
    keepNewline: true,
  })
  expect(resolveConfigOptions({ sources: [], snapshot: { path: 'x' } }).snapshot).toEqual({ path: 'x', waitMs: 2_000 })
  expect(resolveConfigOptions({ sources: [], snapshot: { path: 'x', waitMs: 0 }, coalesceMs: 0 })).toMatchObject({
    snapshot: { waitMs: 0 },
    coalesceMs: 0,
  })
})

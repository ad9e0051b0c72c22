import type { ConfigEntry } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { checkConfigKey, checkContent, checkFormat, createConfigDocument, formatOfKey } from './config-document.ts'

const entry: ConfigEntry = { key: 'db/host', content: 'a', format: 'text', revision: '1' }

describe('a document', () => {
  test('is frozen, and its entries are copies', () => {
    const given = { ...entry }
    const document = createConfigDocument('test', [given])
    given.content = 'b'
    expect(document).toEqual({ source: 'test', entries: [entry] })
    expect([document, document.entries, document.entries[0]].every(Object.isFrozen)).toBe(true)
  })

  test('is the previous one if nothing changed', () => {
    const before = createConfigDocument('test', [entry])
    expect(createConfigDocument('test', [{ ...entry }], before)).toBe(before)
    const empty = createConfigDocument('test', [], undefined)
    expect(createConfigDocument('test', [], empty)).toBe(empty)
  })

  test('keeps the entries that did not change', () => {
    const other: ConfigEntry = { ...entry, key: 'db/port' }
    const before = createConfigDocument('test', [entry, other])
    const after = createConfigDocument('test', [{ ...entry }, { ...other, content: 'b', revision: '2' }], before)
    expect(after.entries[0]).toBe(before.entries[0])
    expect(after.entries[1]).not.toBe(before.entries[1])
    const fewer = createConfigDocument('test', [other], before)
    expect(fewer.entries).toEqual([other])
    expect(fewer.entries[0]).toBe(before.entries[1])
  })

  test('is a new one in another order', () => {
    const other: ConfigEntry = { ...entry, key: 'db/port' }
    const before = createConfigDocument('test', [entry, other])
    const after = createConfigDocument('test', [other, entry], before)
    expect(after.entries.map(({ key }) => key)).toEqual(['db/port', 'db/host'])
  })

  test.each<Partial<ConfigEntry>>([
    { content: 'b' },
    { revision: '2' },
    { format: 'json' },
    { author: 'me' },
    { comment: 'why' },
    { updatedAt: 1 },
    { isSecret: true },
  ])('changes with %o', (change) => {
    const before = createConfigDocument('test', [entry])
    expect(createConfigDocument('test', [{ ...entry, ...change }], before).entries).toEqual([{ ...entry, ...change }])
  })
})

test.each([
  ['app.json', 'json'],
  ['app.yaml', 'yaml'],
  ['deep/app.YML', 'yaml'],
  ['app.toml', 'toml'],
  ['app.properties', 'properties'],
  ['.env', 'env'],
  ['db/host', 'text'],
  ['env', 'text'],
  ['a.b/json', 'text'],
  ['a.constructor', 'text'],
  ['', 'text'],
])('the format of %s is %s', (key, format) => {
  expect(formatOfKey(key)).toBe(format)
})

test('a key without a known extension has the given default format', () => {
  expect(formatOfKey('app', 'yaml')).toBe('yaml')
  expect(formatOfKey('app.json', 'yaml')).toBe('json')
})

test('formats are checked', () => {
  expect(checkFormat('format', 'toml')).toBe('toml')
  expect(() => checkFormat('format', 'xml')).toThrow('Invalid format')
})

describe('a key', () => {
  test.each(['a', 'orders.yaml', 'db/pool/size', '..a', 'a b', '日本語/x', 'x'.repeat(255)])('may be %s', (key) => {
    expect(checkConfigKey('key', key)).toBe(key)
  })

  test.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    './a',
    '__proto__',
    'a/__proto__/b',
    '\ud800',
    'x'.repeat(256),
    1,
    undefined,
  ])('may not be %o', (key) => {
    expect(() => checkConfigKey('keys[0]', key)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'keys[0]' }))
  })
})

describe('content', () => {
  test('is well-formed text', () => {
    expect(checkContent('content', '', 0)).toBe('')
    for (const bad of [undefined, 1, Buffer.from('a'), '\ud800']) {
      expect(() => checkContent('content', bad, 10)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'content' }))
    }
  })

  test('is measured in bytes', () => {
    expect(checkContent('content', 'éé', 4)).toBe('éé')
    expect(() => checkContent('content', 'ééx', 4)).toThrow(
      expect.objectContaining({
        code: 'SD_TOO_LARGE',
        field: 'content',
        message: 'Invalid content: got 5 bytes, want at most 4',
      }),
    )
  })

  test('is not shown', () => {
    expect(() => checkContent('content', 'secret \ud800', 10)).toThrow('Invalid content: got "string", want well-formed text')
  })
})

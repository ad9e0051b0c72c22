import { expect, test } from 'vitest'
import { type ConfigText, checkChosenKey, checkConfigKeys, readSelection, selectEntries } from './config-selection.ts'

const texts = new Map<string, ConfigText>([
  ['b.yaml', { content: 'x: 1', revision: '2' }],
  ['a', { content: '1', revision: '1', updatedAt: 5 }],
  ['folder/', { content: '', revision: '3' }],
])

test('all texts with a key count, sorted, and are read as their keys say', () => {
  expect(selectEntries(readSelection({}), texts)).toEqual([
    { key: 'a', format: 'text', content: '1', revision: '1', updatedAt: 5 },
    { key: 'b.yaml', format: 'yaml', content: 'x: 1', revision: '2' },
  ])
})

test('or those that were named, in that order, read as told', () => {
  const selection = readSelection({ keys: ['b.yaml', 'missing', 'a'], format: 'json' })
  expect(selectEntries(selection, texts).map(({ key, format }) => `${key} ${format}`)).toEqual(['b.yaml json', 'a json'])
  expect(() => readSelection({ format: 'xml' as never })).toThrow('Invalid format: ')
  expect(() => readSelection({ keys: ['a', 'a'] })).toThrow('Invalid keys: ')
})

test('a text that counts and is not UTF-8 is refused with its key', () => {
  const unreadable = { source: 'etcd', keys: new Set(['b.yaml']) }
  const error = expect.objectContaining({ code: 'SD_MALFORMED', retryable: true, message: 'etcd: b.yaml is not UTF-8 text' })
  expect(() => selectEntries(readSelection({}), texts, unreadable)).toThrow(error)
  expect(selectEntries(readSelection({ keys: ['a'] }), texts, unreadable)).toHaveLength(1)
})

test('what is required must be there: every key that was named, or any entry', () => {
  const missing = expect.objectContaining({ code: 'SD_NOT_FOUND', retryable: true })
  const any = readSelection({ required: true })
  expect(selectEntries(any, texts)).toHaveLength(2)
  expect(() => selectEntries(any, new Map([['folder/', { content: '', revision: '1' }]]))).toThrow(missing)
  const named = readSelection({ required: true, keys: ['a', 'b.yaml', 'c'] })
  expect(() => selectEntries(named, texts)).toThrow('missing keys: c (required)')
  expect(selectEntries(readSelection({ required: true, keys: ['a'] }), texts)).toHaveLength(1)
  expect(() => readSelection({ required: 1 as never })).toThrow('Invalid required: ')
})

test('the keys of a source are several, each once, and the only ones that can be written', () => {
  const upper = (_: string, key: unknown): string => String(key).toUpperCase()
  expect([checkConfigKeys(['b.yaml', 'a/b']), checkConfigKeys(['a'], upper)]).toEqual([['b.yaml', 'a/b'], ['A']])
  expect(() => checkConfigKeys([])).toThrow('Invalid keys: ')
  expect(() => checkConfigKeys('a' as never)).toThrow('Invalid keys: ')
  expect(() => checkConfigKeys(['a', '/b'])).toThrow('Invalid keys[1]: ')
  expect(() => checkConfigKeys(['a', 'b', 'a'])).toThrow('no duplicates')
  checkChosenKey(undefined, 'a')
  checkChosenKey(['a', 'b'], 'b')
  expect(() => checkChosenKey(['a', 'b'], 'c')).toThrow('one of a, b')
})

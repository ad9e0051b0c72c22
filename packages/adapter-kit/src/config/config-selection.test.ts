import { expect, test } from 'vitest'
import {
  type ConfigText,
  checkChosenKey,
  checkConfigKeys,
  commonPrefixOf,
  readSelection,
  selectEntries,
} from './config-selection.ts'

const texts = new Map<string, ConfigText>([
  ['b.yaml', { content: 'x: 1', revision: '2' }],
  ['a', { content: '1', revision: '1', updatedAt: 5 }],
  ['folder/', { content: '', revision: '3' }],
])

test('all texts with a valid key are used, sorted, in the format of their extension', () => {
  expect(selectEntries(readSelection({}), texts)).toEqual([
    { key: 'a', format: 'text', content: '1', revision: '1', updatedAt: 5 },
    { key: 'b.yaml', format: 'yaml', content: 'x: 1', revision: '2' },
  ])
})

test('selected keys are used in the given order and format', () => {
  const selection = readSelection({ keys: ['b.yaml', 'missing', 'a'], format: 'json' })
  expect(selectEntries(selection, texts).map(({ key, format }) => `${key} ${format}`)).toEqual(['b.yaml json', 'a json'])
  expect(() => readSelection({ format: 'xml' as never })).toThrow('Invalid format: ')
  expect(() => readSelection({ keys: ['a', 'a'] })).toThrow('Invalid keys[1]: ')
})

test('a selected text that is not UTF-8 is rejected with its key', () => {
  const unreadable = { source: 'etcd', keys: new Set(['b.yaml']) }
  const error = expect.objectContaining({ code: 'SD_MALFORMED', retryable: true, message: 'etcd: b.yaml is not UTF-8 text' })
  expect(() => selectEntries(readSelection({}), texts, unreadable)).toThrow(error)
  expect(selectEntries(readSelection({ keys: ['a'] }), texts, unreadable)).toHaveLength(1)
})

test('required entries must exist: every selected key, or any entry', () => {
  const missing = expect.objectContaining({ code: 'SD_NOT_FOUND', retryable: true })
  const any = readSelection({ required: true })
  expect(selectEntries(any, texts)).toHaveLength(2)
  expect(() => selectEntries(any, new Map([['folder/', { content: '', revision: '1' }]]))).toThrow(missing)
  const named = readSelection({ required: true, keys: ['a', 'b.yaml', 'c'] })
  expect(() => selectEntries(named, texts)).toThrow(/^missing keys: c \(required\)$/)
  expect(() => selectEntries(named, texts, { source: 'etcd', keys: new Set() })).toThrow(/^etcd: missing keys: c \(required\)$/)
  expect(selectEntries(readSelection({ required: true, keys: ['a'] }), texts)).toHaveLength(1)
  expect(() => readSelection({ required: 1 as never })).toThrow('Invalid required: ')
})

test('the keys of a source are a non-empty list without duplicates, and only they can be written', () => {
  const upper = (_: string, key: unknown): string => String(key).toUpperCase()
  expect([checkConfigKeys(['b.yaml', 'a/b']), checkConfigKeys(['a'], upper)]).toEqual([['b.yaml', 'a/b'], ['A']])
  expect(() => checkConfigKeys([])).toThrow('Invalid keys: ')
  expect(() => checkConfigKeys('a' as never)).toThrow('Invalid keys: ')
  expect(() => checkConfigKeys(['a', '/b'])).toThrow('Invalid keys[1]: ')
  expect(() => checkConfigKeys(['a', 'b', 'a'])).toThrow('Invalid keys[2]: got "a", want no duplicates')
  checkChosenKey(undefined, 'a')
  checkChosenKey(['a', 'b'], 'b')
  expect(() => checkChosenKey(['a', 'b'], 'c')).toThrow('one of a, b')
})

test.each([
  [undefined, ''],
  [['orders.yaml'], 'orders.yaml'],
  [['app/one', 'app/two'], 'app/'],
  [['a', 'b'], ''],
  [['a😀', 'a😁'], 'a'],
])('the keys %j have the common prefix %j', (keys, prefix) => {
  expect(commonPrefixOf({ keys, format: undefined })).toBe(prefix)
})

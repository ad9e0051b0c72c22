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

test('the keys of a source are several, each once, and the only ones that can be written', () => {
  const upper = (_: string, key: unknown): string => String(key).toUpperCase()
  expect([checkConfigKeys(['b.yaml', 'a/b']), checkConfigKeys(['a'], upper)]).toEqual([['b.yaml', 'a/b'], ['A']])
  expect(() => checkConfigKeys([])).toThrow('Invalid keys: ')
  expect(() => checkConfigKeys('a' as never)).toThrow('Invalid keys: ')
  expect(() => checkConfigKeys(['a', '/b'])).toThrow('Invalid keys[1]: ')
  expect(() => checkConfigKeys(['a', 'b', 'a'])).toThrow('every key once')
  checkChosenKey(undefined, 'a')
  checkChosenKey(['a', 'b'], 'b')
  expect(() => checkChosenKey(['a', 'b'], 'c')).toThrow('one of a, b')
})

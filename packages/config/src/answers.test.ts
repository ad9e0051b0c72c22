import { collectStates, inquire } from '@sd/core'
import { expect, test } from 'vitest'
import { memory, open } from './testing/open-config.ts'

function digestOf(name: string): string | undefined {
  return collectStates().flatMap((state) => (state.kind === 'config' && state.config === name ? [state.digest] : []))[0]
}

test('equal values have equal digests, whatever their sources and their order', async () => {
  await open({ name: 'one', sources: [memory('file', { 'a.yaml': 'a: 1\nb: { c: [x] }' })] })
  await open({ name: 'other', sources: [memory('tree', { 'b.json': '{"b":{"c":["x"]}}', 'a.json': '{"a":1}' })] })
  const config = await open({ name: 'third', sources: [memory('file', { 'a.yaml': 'a: 1\nb: { c: [x] }' })] })
  expect(digestOf('one')).toBe(digestOf('other'))
  expect(digestOf('third')).toBe(digestOf('one'))
  await config.set('a', 2)
  expect(digestOf('third')).not.toBe(digestOf('one'))
})

test('secrets are part of the digest only with a key, and equal keys agree', async () => {
  const text = (password: string): string => `db: { password: ${password} }`
  const digest = async (name: string, password: string, digestKey?: string): Promise<string | undefined> => {
    await open({ name, sources: [memory('file', { 'a.yaml': text(password) })], ...(digestKey !== undefined && { digestKey }) })
    return digestOf(name)
  }
  expect(await digest('a', 'first')).toBe(await digest('b', 'second'))
  const key = 'k'.repeat(16)
  expect(await digest('c', 'first', key)).not.toBe(await digest('d', 'second', key))
  expect(await digest('e', 'first', key)).toBe(await digest('f', 'first', key))
  expect(await digest('g', 'first', 'l'.repeat(16))).not.toBe(await digest('h', 'first', key))
})

test('a wrong key is refused without being shown', async () => {
  const refused = open({ sources: [memory('file', {})], digestKey: 's3cret' })
  await expect(refused).rejects.toMatchObject({ code: 'SD_INVALID', field: 'digestKey' })
  await expect(refused).rejects.not.toThrow('s3cret')
})

test('values of any class become JSON data', async () => {
  class Node {
    readonly self = this
  }
  const value = { map: new Map([['a', 1n]]), set: new Set(['x']), at: new Date(0), not: Number.NaN, node: new Node() }
  const schema = { '~standard': { version: 1, vendor: 'test', validate: () => ({ value }) } } as const
  await open({ name: 'classes', sources: [memory('file', { 'a.yaml': 'a: 1' })], schema })
  const [answer] = inquire('config', { config: 'classes', path: '' })
  expect(answer?.explanation?.value).toEqual({
    at: '1970-01-01T00:00:00.000Z',
    map: { a: '1' },
    not: 'NaN',
    node: { self: '(circular)' },
    set: ['x'],
  })
  expect(JSON.parse(JSON.stringify(answer))).toEqual(answer)
})

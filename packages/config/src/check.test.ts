import { expect, test } from 'vitest'
import { z } from 'zod'
import { follow, memory, open } from './testing/open-config.ts'

const schema = z.object({ a: z.number(), b: z.object({ c: z.string().optional() }).optional() })

test('a check returns what would change, and changes nothing', async () => {
  const { reports, onReport } = follow()
  const source = memory('file', { 'app.yaml': 'a: 1\nb: { c: x }', other: 'y' })
  const config = await open({ schema, sources: [source], onReport })
  const before = [config.current, config.version, reports.length]
  expect(await config.check({ 'app.yaml': 'a: 2\nb: { c: x }' })).toEqual({ changed: ['a'] })
  expect(await config.check({ 'b/c': 'z' })).toEqual({ changed: ['b.c'] })
  expect(await config.check({ other: null })).toEqual({ changed: [] })
  expect([config.current, config.version, reports.length]).toEqual(before)
  expect((await source.load()).entries).toHaveLength(2)
})

test('a check rejects what an update would reject, with its place', async () => {
  const config = await open({ schema, sources: [memory('file', { 'app.yaml': 'a: 1' }), memory('tree')] })
  const inFile = { source: 'file' }
  await expect(config.check({ 'app.yaml': 'a: 1\nb: [' }, inFile)).rejects.toMatchObject({
    failures: [{ key: 'app.yaml', line: 2 }],
  })
  await expect(config.check({ 'app.yaml': 'x: 1\na: many' }, inFile)).rejects.toMatchObject({
    code: 'SD_INVALID',
    failures: [{ source: 'file', key: 'app.yaml', line: 2, field: 'a' }],
  })
  await expect(config.check({ 'app.yaml': null }, inFile)).rejects.toMatchObject({ code: 'SD_INVALID' })
  await expect(config.check({ 'b/c': '$' + '{b.none}' }, { source: 'tree' })).rejects.toMatchObject({
    failures: [{ source: 'tree', key: 'b/c' }],
  })
  expect(await config.check({ a: '5' }, { source: 'tree' })).toEqual({ changed: ['a'] })
  expect([config.get('a'), config.status().refused]).toEqual([1, []])
})

test.each<[string, unknown, unknown]>([
  ['source', { a: '1' }, {}],
  ['source', { a: '1' }, { source: 'none' }],
  ['texts', { '/': '1' }, { source: 'file' }],
  ['texts["a"]', { a: 1 }, { source: 'file' }],
  ['more', { a: '1' }, { source: 'file', more: 1 }],
])('bad arguments are refused: %s', async (field, texts, options) => {
  const config = await open({ sources: [memory('file'), memory('tree')] })
  await expect(config.check(texts as never, options as never)).rejects.toMatchObject({ code: 'SD_INVALID', field })
})

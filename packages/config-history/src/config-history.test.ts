import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { createConfigHistory, createMemoryStore } from './index.ts'
import { key, setUp, summaryOf } from './testing/setup.ts'

describe('versions', () => {
  test('each says who, when, why and what', async () => {
    const before = Date.now()
    const { history, texts } = setUp()
    const first = await history.put('{"a":1}', { comment: 'begin' })
    const second = await history.put('{"a":2}', { author: 'bob' })
    expect(first).toMatchObject({
      version: 1,
      change: 'put',
      state: 'written',
      author: 'ann',
      comment: 'begin',
      content: '{"a":1}',
    })
    expect(second).toMatchObject({ version: 2, author: 'bob', content: '{"a":2}' })
    expect(first.timeMs).toBeGreaterThanOrEqual(before)
    expect(await history.list()).toEqual([second, first])
    expect(await history.get(1)).toEqual(first)
    expect(texts.get(key)).toMatchObject({ content: '{"a":2}', author: 'bob' })
  })

  test('an unknown one', async () => {
    const { history } = setUp()
    await expect(history.get(1)).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
    await history.put('{}')
    await expect(history.get(2)).rejects.toMatchObject({ code: 'SD_NOT_FOUND', message: expect.stringContaining('kept is 1') })
    await expect(history.rollback(2)).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
  })

  test('a rollback is byte-identical, and a version itself', async () => {
    const content = '\ufeff{"ü": "🔑\u2028",\r\n\t"b": "\\u0000"}\r\n\n '
    const { history, texts } = setUp()
    await history.put(content)
    await history.put('{}')
    const rolledBack = await history.rollback(1, { comment: 'it broke' })
    expect(rolledBack).toMatchObject({ version: 3, change: 'rollback', of: 1, comment: 'it broke', content })
    expect(texts.get(key)?.content).toBe(content)
    expect((await history.list()).map(({ version }) => version)).toEqual([3, 2, 1])
  })

  test('removal, and back from it', async () => {
    const { history, texts } = setUp()
    await history.put('{}')
    expect(await history.delete()).toMatchObject({ version: 2, change: 'delete', content: null })
    expect(texts.get(key)).toBeUndefined()
    await history.rollback(1)
    expect(texts.get(key)?.content).toBe('{}')
    await history.rollback(2)
    expect(texts.get(key)).toBeUndefined()
  })

  test('only from the version that was seen', async () => {
    const { history, texts } = setUp()
    await history.put('1', { ifVersion: 0 })
    await history.put('2', { ifVersion: 1 })
    const late = history.put('3', { ifVersion: 1 })
    await expect(late).rejects.toMatchObject({ code: 'SD_CONFLICT', message: expect.stringContaining('version 2, not 1') })
    texts.put(key, 'external')
    await expect(history.put('3', { ifVersion: 2 })).rejects.toMatchObject({ code: 'SD_CONFLICT' })
    expect(summaryOf(await history.list())).toEqual(['3 external written external', '2 put written 2', '1 put written 1'])
  })
})

describe('changes past the history', () => {
  test('what was there at the start, a change, a removal: noticed on next use', async () => {
    const { history, texts } = setUp()
    texts.put(key, 'found', { author: 'carl', comment: 'by hand' })
    texts.put('another', 'nobody cares')
    await history.put('mine')
    texts.put(key, 'theirs')
    expect(summaryOf(await history.list())).toEqual([
      '3 external written theirs',
      '2 put written mine',
      '1 external written found',
    ])
    expect(await history.get(1)).toMatchObject({ author: 'carl', comment: 'by hand' })
    texts.delete(key)
    await history.rollback(3)
    expect(summaryOf(await history.list()).slice(0, 2)).toEqual(['5 rollback written theirs', '4 external written null'])
    expect((await history.get(3)).author).toBeUndefined()
  })

  test('a store can be read while the source is away', async () => {
    const { history, source, open } = setUp()
    await history.put('1')
    await source.close()
    await expect(history.list()).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(summaryOf(await open().list({ sync: false }))).toEqual(['1 put written 1'])
  })
})

describe('differences', () => {
  const mask = {
    path: (path: string) => path.includes('password'),
    line: (line: string) => line.replace(/(password": ).*/, '$1***'),
  }

  test('added, updated, removed', async () => {
    const { history } = setUp()
    await history.put('{"db":{"size":1,"user":"scott","hosts":["a","b"]},"a.b":1,"a":{"b":2},"same":{}}')
    await history.put('{"db":{"size":2,"hosts":["a"],"tls":{}},"a.b":1,"a":{"b":3},"same":{},"":null}')
    expect(await history.diff(1, 2)).toEqual([
      { path: 'db.size', kind: 'updated', before: 1, after: 2 },
      { path: 'db.user', kind: 'removed', before: 'scott' },
      { path: 'db.hosts.1', kind: 'removed', before: 'b' },
      { path: 'a.b', kind: 'updated', before: 2, after: 3 },
      { path: 'db.tls', kind: 'added', after: {} },
      { path: '""', kind: 'added', after: null },
    ])
    expect(await history.diff(2, 2)).toEqual([])
    await history.delete()
    expect((await history.diff(3, 1)).every(({ kind }) => kind === 'added')).toBe(true)
  })

  test('as text', async () => {
    const { history } = setUp()
    await history.put('a\nb\nc\n')
    await history.put('a\nB\nc\n')
    const expected = `--- ${key}\tversion 1\n+++ ${key}\tversion 2\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n`
    expect(await history.diffText(1, 2)).toBe(expected)
  })

  test('masked', async () => {
    const { history } = setUp({ mask })
    await history.put('{\n"password": "tiger",\n"size": 1\n}\n')
    await history.put('{\n"password": "lion",\n"size": 2\n}\n')
    const changes = await history.diff(1, 2)
    expect(changes[0]).toEqual({ path: 'password', kind: 'updated', before: '***', after: '***' })
    expect(changes[1]).toEqual({ path: 'size', kind: 'updated', before: 1, after: 2 })
    const text = await history.diffText(1, 2)
    expect(text).toContain('-"password": ***\n')
    expect(text).toContain('+"password": ***\n')
    expect(text).not.toMatch(/tiger|lion/)
  })

  test('any format, by its parser', async () => {
    const parse = (content: string): unknown => Object.fromEntries(content.split('\n').map((line) => line.split('=')))
    const { history } = setUp({ parse })
    await history.put('a=1\nb=2')
    await history.put('a=1\nb=3')
    expect(await history.diff(1, 2)).toEqual([{ path: 'b', kind: 'updated', before: '2', after: '3' }])
  })

  test('what can not be parsed, without its text; and what is too large', async () => {
    const { history } = setUp()
    await history.put('{"password":"tiger"')
    await history.put('{}')
    await history.put(`[${'0,'.repeat(100_001)}0]`)
    const error = await history.diff(1, 2).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SD_MALFORMED', message: expect.not.stringContaining('tiger') })
    expect((error as SdError).cause).toBeUndefined()
    await expect(history.diff(2, 3)).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
  })

  test('nesting deeper than the stack', async () => {
    const deep: unknown = Array.from({ length: 50_000 }).reduce<unknown>((inner) => [inner], 'leaf')
    const { history } = setUp({ parse: (content) => (content === 'deep' ? deep : {}) })
    await history.put('flat')
    await history.put('deep')
    const failure = await history.diff(1, 2).catch((caught: unknown) => caught)
    expect(Array.isArray(failure) || SdError.isInstance(failure)).toBe(true)
  })
})

describe('options', () => {
  const { source, store } = setUp()
  const good = { source, key, store, author: 'ann' }

  test.each<[string, object]>([
    ['source', { source: undefined }],
    ['source.put', { source: {} }],
    ['key', { key: '/' }],
    ['store', { store: 'file' }],
    ['author', { author: '' }],
    ['maxVersions', { maxVersions: 1 }],
    ['parse', { parse: 'json' }],
    ['mask.line', { mask: { path: () => true } }],
    ['secret', { secret: '' }],
    ['retention', { retention: 1 }],
  ])('bad %s', (field, change) => {
    expect(() => createConfigHistory({ ...good, ...change } as never)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field }),
    )
  })

  test.each<[string, object]>([
    ['author', { author: ' ' }],
    ['comment', { comment: 7 }],
    ['ifVersion', { ifVersion: -1 }],
    ['reason', { reason: 'x' }],
  ])('bad %s of a put', async (field, options) => {
    const history = createConfigHistory({ ...good, store: createMemoryStore() })
    await expect(history.put('', options as never)).rejects.toMatchObject({ code: 'SD_INVALID', field })
    await expect(history.put('\ud800')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'content' })
    expect(await history.list()).toEqual([])
  })
})

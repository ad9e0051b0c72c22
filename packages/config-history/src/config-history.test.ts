import { SdError } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { createConfigHistory, createMemoryStore } from './index.ts'
import { key, setUp, summaryOf } from './testing/setup.ts'

describe('versions', () => {
  test('have author, time, comment and content', async () => {
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

  test('a rollback is byte-identical, and is itself a version', async () => {
    const content = '\ufeff{"ü": "🔑\u2028",\r\n\t"b": "\\u0000"}\r\n\n '
    const { history, texts } = setUp()
    await history.put(content)
    await history.put('{}')
    const rolledBack = await history.rollback(1, { comment: 'it broke' })
    expect(rolledBack).toMatchObject({ version: 3, change: 'rollback', of: 1, comment: 'it broke', content })
    expect(texts.get(key)?.content).toBe(content)
    expect((await history.list()).map(({ version }) => version)).toEqual([3, 2, 1])
  })

  test('removal, and rollback of it', async () => {
    const { history, texts } = setUp()
    await history.put('{}')
    expect(await history.delete()).toMatchObject({ version: 2, change: 'delete', content: null })
    expect(texts.get(key)).toBeUndefined()
    await history.rollback(1)
    expect(texts.get(key)?.content).toBe('{}')
    await history.rollback(2)
    expect(texts.get(key)).toBeUndefined()
  })

  test('only if the version is unchanged, with ifVersion', async () => {
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

describe('changes outside the history', () => {
  test('an existing entry, a change and a removal are detected on next use', async () => {
    const { history, texts } = setUp()
    texts.put(key, 'found', { author: 'carl', comment: 'by hand' })
    texts.put('another', 'unrelated')
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

  test('a store can be read while the source is unreachable', async () => {
    const { history, source, open } = setUp()
    await history.put('1')
    await source.close()
    await expect(history.list()).rejects.toMatchObject({ code: 'SD_CLOSED' })
    expect(summaryOf(await open().list({ sync: false }))).toEqual(['1 put written 1'])
  })
})

describe('differences', () => {
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

  test('masked by default, and shown with masking: false', async () => {
    for (const masking of [undefined, false] as const) {
      const { history } = setUp(masking === undefined ? {} : { masking })
      await history.put('{\n"password": "tiger",\n"size": 1\n}\n')
      await history.put('{\n"password": "lion",\n"size": 2\n}\n')
      const [password, size] = await history.diff(1, 2)
      const isShown = masking === false
      expect(password).toEqual({
        path: 'password',
        kind: 'updated',
        before: isShown ? 'tiger' : '***',
        after: isShown ? 'lion' : '***',
      })
      expect(size).toEqual({ path: 'size', kind: 'updated', before: 1, after: 2 })
      expect(/tiger|lion/.test(await history.diffText(1, 2))).toBe(isShown)
    }
  })

  test.each<[string, string, string]>([
    ['app.yaml', 'db:\n  password: s3cret-1\n  size: 1\n', 'db:\n  password: s3cret-2\n  size: 2\n'],
    [
      'app.yaml',
      'credentials:\n  a: s3cret-1\n  b: [s3cret-3]\nsize: 1\n',
      'credentials:\n  a: s3cret-2\n  b: [s3cret-4]\nsize: 2\n',
    ],
    [
      'app.yaml',
      'tls:\n  key: |\n    -----BEGIN PRIVATE KEY-----\n    s3cret-line-1\n    s3cret-line-2\n    -----END PRIVATE KEY-----\nsize: 1\n',
      'tls:\n  key: |\n    -----BEGIN PRIVATE KEY-----\n    s3cret-line-1\n    s3cret-line-3\n    -----END PRIVATE KEY-----\nsize: 2\n',
    ],
    ['app.json', '{"db":{"password":"s3cret-1"},"size":1}', '{"db":{"password":"s3cret-2"},"size":2}'],
    ['app.toml', '[db]\npassword = "s3cret-1"\nsize = 1\n', '[db]\npassword = "s3cret-2"\nsize = 2\n'],
    ['app.properties', 'db.password=s3cret-1\nsize=1\n', 'db.password=s3cret-2\nsize=2\n'],
    [
      'app.properties',
      'url=jdbc:mysql://h/x?user=u&password=s3cret-1\nsize=1\n',
      'url=jdbc:mysql://h/x?user=u&password=s3cret-2\nsize=2\n',
    ],
    ['app.env', 'DB__PASSWORD="s3cret-1"\nSIZE=1\n', 'DB__PASSWORD=s3cret-2\nSIZE=2\n'],
    ['app.env', 'DSN=Server=h;Password=s3cret-1;x=1\nSIZE=1\n', 'DSN=Server=h;Password=s3cret-2;x=1\nSIZE=2\n'],
    ['db/password', 's3cret-1', 's3cret-2'],
    ['db/password', 's3cret-1\n', 's3cret-1'],
    ['app.yaml', 'password: [s3cret-1\nsize: 1', 'password: s3cret-2\nsize: 2'],
  ])('of %s without its secrets: %j', async (ownKey, before, after) => {
    const { history } = setUp({ key: ownKey })
    await history.put(before)
    await history.put(after)
    const text = await history.diffText(1, 2)
    expect(text).not.toContain('s3cret')
    expect(text).toContain('***')
    if (ownKey.includes('.')) expect(text).toMatch(/[+].*2/)
    const changes = await history.diff(1, 2).catch((error: unknown) => error)
    expect(JSON.stringify(changes)).not.toContain('s3cret')
  })

  test.each<[string, string, string]>([
    ['app.yaml', 'a: 1\nb: x\n', 'a: 2\nb: x\n'],
    ['app.toml', 'a = 1\nb = "x"\n', 'a = 2\nb = "x"\n'],
    ['app.json', '{"a":1,"b":"x"}', '{"a":2,"b":"x"}'],
  ])('of every format: %s', async (ownKey, before, after) => {
    const { history } = setUp({ key: ownKey })
    await history.put(before)
    await history.put(after)
    expect(await history.diff(1, 2)).toEqual([{ path: 'a', kind: 'updated', before: 1, after: 2 }])
  })

  test('of untyped texts too, with another format or a custom parser', async () => {
    for (const own of [{ key: 'app.properties' }, { key: 'app.env' }, { format: 'properties' }] as const) {
      const { history } = setUp(own)
      await history.put('a=1\nb=2')
      await history.put('a=1\nb=3')
      expect(await history.diff(1, 2)).toEqual([{ path: 'b', kind: 'updated', before: '2', after: '3' }])
    }
    const { history } = setUp({ parse: (content) => ({ length: content.length }) })
    await history.put('a')
    await history.put('bb')
    expect(await history.diff(1, 2)).toEqual([{ path: 'length', kind: 'updated', before: 1, after: 2 }])
  })

  test('a text that cannot be parsed, without quoting it; and one that is too large', async () => {
    const { history } = setUp()
    await history.put('{"password":"tiger"')
    await history.put('{}')
    await history.put(`{"a":[${'0,'.repeat(100_001)}0]}`)
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
    expect(Array.isArray(failure) || failure instanceof SdError).toBe(true)
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
    ['format', { format: 'xml' }],
    ['masking.names[0]', { masking: { names: [''] } }],
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

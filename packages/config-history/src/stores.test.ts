import { execFile } from 'node:child_process'
import { appendFile, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createMemoryConfigSource, createMemoryConfigStore } from '@sd/config'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFileStore, createMemoryStore, createSourceStore, type HistoryStore } from './index.ts'
import { setUp, summaryOf } from './testing/setup.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'history-'))
  path = join(folder, 'orders.jsonl')
})
afterEach(() => rm(folder, { recursive: true }))

const backend = createMemoryConfigStore()
const kinds: [string, () => () => HistoryStore][] = [
  [
    'memory',
    () => {
      const store = createMemoryStore()
      return () => store
    },
  ],
  ['a file', () => () => createFileStore({ path })],
  [
    'a source',
    () => {
      backend.delete('orders.history')
      return () => createSourceStore({ source: createMemoryConfigSource({ store: backend }), key: 'orders.history' })
    },
  ],
]

describe.each(kinds)('a store in %s', (_, create) => {
  test('appends only to the text that was read', async () => {
    const store = create()()
    const { text, revision } = await store.read({})
    expect(text).toBe('')
    expect(await store.append('a\nb\n', revision, {})).toBe(true)
    expect(await store.append('late\n', revision, {})).toBe(false)
    expect(await store.replace('late\n', revision, {})).toBe(false)
    const second = await store.read({})
    expect(second.text).toBe('a\nb\n')
    expect(await store.append('ü\n', second.revision, {})).toBe(true)
    const third = await store.read({})
    expect(third.text).toBe('a\nb\nü\n')
    expect(await store.replace('c\n', third.revision, {})).toBe(true)
    expect((await store.read({})).text).toBe('c\n')
  })

  test('no version of 8 concurrent writers is lost', { timeout: 60_000 }, async () => {
    const open = create()
    const setup = setUp({ store: open(), writeTimeoutMs: 60_000 })
    const writers = Array.from({ length: 8 }, () => setup.open({ store: open(), maxVersions: 20 }))
    await Promise.all(writers.map((writer, index) => writer.put(`content ${index}`, { author: `writer ${index}` })))
    const list = await setup.history.list()
    expect(list.map(({ version }) => version)).toEqual([8, 7, 6, 5, 4, 3, 2, 1])
    expect(list.every(({ state, change }) => state === 'written' && change === 'put')).toBe(true)
    expect(new Set(list.map(({ author, content }) => `${author}: ${content}`)).size).toBe(8)
    expect(setup.texts.list()[0]?.content).toBe(list[0]?.content)
    expect(await setup.history.verify()).toMatchObject({ isValid: true, records: 16 })
  })
})

describe('a file', () => {
  test('is readable only by its owner, and leaves no other files', async () => {
    const { history } = setUp({ store: createFileStore({ path }), maxVersions: 2 })
    for (const text of ['1', '2', '3']) await history.put(text)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['orders.jsonl'])
  })

  test('a line truncated by a crash is moved aside', async () => {
    const { history } = setUp({ store: createFileStore({ path }) })
    await history.put('1')
    await appendFile(path, '{"hash":"ab')
    expect(await history.verify()).toMatchObject({ problem: { line: 3, reason: 'the last line is truncated' } })
    expect(summaryOf(await history.list())).toEqual(['1 put written 1'])
    await history.put('2')
    expect(await history.verify()).toMatchObject({ isValid: true, records: 4 })
    expect(await readFile(`${path}.torn`, 'utf8')).toBe('{"hash":"ab\n')
  })

  test('a crash at any byte loses no confirmed version', async () => {
    const { history, open } = setUp({ store: createFileStore({ path }) })
    await history.put('1')
    const { size } = await stat(path)
    await history.put('2')
    const whole = await readFile(path)
    for (let length = size; length < whole.length; length += 7) {
      await writeFile(path, whole.subarray(0, length))
      const [newest, oldest] = await open({ writeTimeoutMs: 1 }).list()
      expect([newest?.content, newest?.state, oldest?.content]).toEqual(['2', 'written', '1'])
      expect(await open().verify()).toMatchObject({ isValid: true })
    }
  })

  test('processes take turns', { timeout: 120_000 }, async () => {
    const script = join(import.meta.dirname, 'testing/append-lines.ts')
    const run = promisify(execFile)
    await Promise.all(['a', 'b', 'c'].map((name) => run(process.execPath, [script, path, name, '15'])))
    const lines = (await readFile(path, 'utf8')).trim().split('\n')
    for (const name of ['a', 'b', 'c']) {
      expect(lines.filter((line) => line.startsWith(name))).toEqual(Array.from({ length: 15 }, (_, index) => `${name} ${index}`))
    }
  })

  test('a lock left by a crash is replaced by one process; a fresh one is waited for', async () => {
    await writeFile(`${path}.lock`, '1 dead')
    await utimes(`${path}.lock`, 0, 0)
    const stores = Array.from({ length: 4 }, () => createFileStore({ path, staleLockMs: 1_000 }))
    const results = await Promise.all(stores.map(async (store) => store.append('a\n', (await store.read({})).revision, {})))
    expect(results.filter(Boolean)).toEqual([true])
    expect(await readFile(path, 'utf8')).toBe('a\n')
    expect(await readdir(folder)).toEqual(['orders.jsonl'])
    await writeFile(`${path}.lock`, '1 alive')
    const store = createFileStore({ path, lockTimeoutMs: 100 })
    const waiting = store.append('b\n', (await store.read({})).revision, {})
    await expect(waiting).rejects.toMatchObject({ code: 'SD_TIMEOUT', message: expect.stringContaining('.lock') })
  })

  test('an unreadable file is an error, never an empty history', async () => {
    const store = createFileStore({ path: folder })
    await expect(store.read({})).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    const nowhere = createFileStore({ path: join(folder, 'none', 'x') })
    await expect(nowhere.append('a\n', (await nowhere.read({})).revision, {})).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })

  test('bad options', () => {
    expect(() => createFileStore({ path: '' })).toThrow(expect.objectContaining({ field: 'path' }))
    expect(() => createFileStore({ path, maxBytes: 1 })).toThrow(expect.objectContaining({ field: 'maxBytes' }))
  })
})

describe('a source', () => {
  const source = createMemoryConfigSource()

  test('must support compare-and-set', () => {
    const weak = { ...source, capabilities: { ...source.capabilities, compareAndSet: false } }
    expect(() => createSourceStore({ source: weak, key: 'a' })).toThrow(expect.objectContaining({ code: 'SD_UNSUPPORTED' }))
  })

  test('that is unreachable fails, and is never empty', async () => {
    const away = createMemoryConfigSource()
    const store = createSourceStore({ source: away, key: 'a' })
    const { revision } = await store.read({})
    away.setConnected(false)
    await expect(store.read({})).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await expect(store.append('a\n', revision, {})).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    await expect(store.replace('a\n', revision, {})).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  })
})

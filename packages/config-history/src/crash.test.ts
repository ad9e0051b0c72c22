import { createMemoryConfigSource, createMemoryConfigStore } from '@sd/config'
import { SdError, type WritableConfigSource } from '@sd/core'
import { describe, expect, test } from 'vitest'
import type { HistoryStore } from './index.ts'
import { key, type Setup, setUp, summaryOf, withChanges } from './testing/setup.ts'

const lost = new SdError('SD_TIMEOUT', 'no answer')

/** A history with version 1 written, whose next write uses `put`. */
async function interrupt(put: (source: WritableConfigSource) => WritableConfigSource['put']): Promise<Setup> {
  const texts = createMemoryConfigStore()
  const source = createMemoryConfigSource({ store: texts })
  const setup = setUp({ source })
  await setup.history.put('1')
  const broken = setup.open({ source: withChanges(source, { put: put(source) }) })
  await expect(broken.put('2')).rejects.toBe(lost)
  expect(summaryOf(await setup.open().list({ sync: false }))).toEqual(['2 put pending 2', '1 put written 1'])
  return { ...setup, texts }
}

describe('a process that ends between record and outcome', () => {
  test('before its write: the version failed', async () => {
    const { open } = await interrupt(() => () => Promise.reject(lost))
    const next = open()
    await next.put('3')
    expect(summaryOf(await next.list())).toEqual(['3 put written 3', '2 put failed 2', '1 put written 1'])
    await expect(next.rollback(2)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'version' })
    expect(await next.verify()).toMatchObject({ isValid: true })
  })

  test('after its write: the version was written', async () => {
    const { open } = await interrupt((source) => async (...write) => {
      await source.put(...write)
      throw lost
    })
    const next = open()
    await next.put('3')
    expect(summaryOf(await next.list())).toEqual(['3 put written 3', '2 put written 2', '1 put written 1'])
  })

  test('and another writer wrote outside the history: the outcome is unknown', async () => {
    const { open, texts } = await interrupt(() => () => Promise.reject(lost))
    texts.put(key, 'external')
    const next = open()
    await next.put('3')
    expect(summaryOf(await next.list())).toEqual([
      '4 put written 3',
      '3 external written external',
      '2 put unknown 2',
      '1 put written 1',
    ])
    expect(await next.rollback(2)).toMatchObject({ content: '2', state: 'written' })
  })

  test('its own next use does not wait', async () => {
    const source = createMemoryConfigSource()
    let isBroken = true
    const put: WritableConfigSource['put'] = (...write) => (isBroken ? Promise.reject(lost) : source.put(...write))
    const { history } = setUp({ source: withChanges(source, { put }), writeTimeoutMs: 600_000 })
    await expect(history.put('1')).rejects.toBe(lost)
    isBroken = false
    await history.put('2')
    expect(summaryOf(await history.list())).toEqual(['2 put written 2', '1 put failed 1'])
  })
})

test('during a write, other writers wait, and list shows the pending version', async () => {
  const setup = setUp({ writeTimeoutMs: 600_000 })
  const { source, texts, open } = setup
  const reached = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const put: WritableConfigSource['put'] = async (...write) => {
    reached.resolve()
    await gate.promise
    return source.put(...write)
  }
  const slow = open({ source: withChanges(source, { put }) }).put('slow')
  await reached.promise
  const other = open().put('other')
  expect(summaryOf(await open().list())).toEqual(['1 put pending slow'])
  expect(texts.get(key)).toBeUndefined()
  gate.resolve()
  expect((await slow).version).toBe(1)
  expect((await other).version).toBe(2)
  expect(summaryOf(await open().list())).toEqual(['2 put written other', '1 put written slow'])
})

test('a writer that was considered dead records its outcome', async () => {
  const { source, open } = setUp()
  const gate = Promise.withResolvers<void>()
  const put: WritableConfigSource['put'] = async (...write) => {
    const entry = await source.put(...write)
    await gate.promise
    return entry
  }
  const reached = open({ source: withChanges(source, { put }), writeTimeoutMs: 60_000 }).put('slow')
  // Other writers wait for 150 ms.
  const impatient = open()
  await expect.poll(async () => summaryOf(await impatient.list())).toEqual(['1 put written slow'])
  gate.resolve()
  expect(await reached).toMatchObject({ version: 1, state: 'written' })
  expect((await impatient.verify()).records).toBe(2)
})

describe('a source that rejects a write', () => {
  test('leaves a failed version', async () => {
    const { source, open } = setUp()
    const denied = new SdError('SD_DENIED', 'read only')
    const broken = open({ source: withChanges(source, { put: () => Promise.reject(denied) }), writeTimeoutMs: 600_000 })
    await expect(broken.put('1')).rejects.toBe(denied)
    expect(summaryOf(await broken.list())).toEqual(['1 put failed 1'])
  })

  test('because another writer was faster: the write is retried on top of that', async () => {
    const { source, texts, open } = setUp()
    let isFirst = true
    const put: WritableConfigSource['put'] = (...write) => {
      if (isFirst) texts.put(key, 'faster')
      isFirst = false
      return source.put(...write)
    }
    const history = open({ source: withChanges(source, { put }) })
    expect(await history.put('mine')).toMatchObject({ version: 3, state: 'written' })
    expect(summaryOf(await history.list())).toEqual(['3 put written mine', '2 external written faster', '1 put failed mine'])
  })

  test('because of its own first attempt: the version is written', async () => {
    const { source, open } = setUp()
    const put: WritableConfigSource['put'] = async (...write) => {
      await source.put(...write)
      return source.put(...write)
    }
    const history = open({ source: withChanges(source, { put }) })
    expect(await history.put('mine')).toMatchObject({ version: 1, state: 'written' })
  })
})

describe('a store that fails', () => {
  test('before the record: nothing is written', async () => {
    const { store, texts, open } = setUp()
    const history = open({ store: failing(store, 1) })
    await expect(history.put('1')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    expect(texts.get(key)).toBeUndefined()
    expect(await history.list()).toEqual([])
  })

  test('before the outcome: the version is pending, and settled on next use', async () => {
    const { store, texts, open } = setUp()
    const history = open({ store: failing(store, 2) })
    expect(await history.put('1')).toMatchObject({ version: 1, state: 'pending' })
    expect(texts.get(key)?.content).toBe('1')
    expect(summaryOf(await history.list())).toEqual(['1 put written 1'])
  })
})

test('waiting for other writers ends at the limit', async () => {
  const setup = await interrupt(() => () => Promise.reject(lost))
  const history = setup.open({ writeTimeoutMs: 600_000, operationTimeoutMs: 100 })
  await expect(history.put('3')).rejects.toMatchObject({ code: 'SD_TIMEOUT' })
})

/** A store whose n-th append fails. */
function failing(store: HistoryStore, nth: number): HistoryStore {
  let appends = 0
  return {
    ...store,
    append: (...write) => (++appends === nth ? Promise.reject(new SdError('SD_UNAVAILABLE', 'full')) : store.append(...write)),
  }
}

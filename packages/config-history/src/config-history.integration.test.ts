import { randomUUID } from 'node:crypto'
import { createEtcdConfigSource } from '@sd/config-etcd'
import type { WritableConfigSource } from '@sd/core'
import { type EtcdServer, obtainServer, startEtcd } from '@sd/test-servers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ConfigHistory, createConfigHistory, createSourceStore } from './index.ts'

const etcd = await obtainServer('etcd')

describe.runIf(etcd)('a history on etcd, kept in etcd', { timeout: 120_000 }, () => {
  const key = 'orders.json'
  const opened: WritableConfigSource[] = []
  let server: EtcdServer
  let prefix: string
  beforeAll(async () => {
    if (etcd) server = await startEtcd(etcd)
  })
  afterEach(() => Promise.all(opened.splice(0).map((source) => source.close())))
  afterAll(() => server.close())

  function openSource(name: string): WritableConfigSource {
    const source = createEtcdConfigSource({ servers: [`127.0.0.1:${server.port}`], prefix: `${prefix}/${name}` })
    opened.push(source)
    return source
  }

  function open(author: string): ConfigHistory {
    const store = createSourceStore({ source: openSource('history'), key })
    return createConfigHistory({
      source: openSource('config'),
      key,
      store,
      author,
      operationTimeoutMs: 90_000,
      writeTimeoutMs: 20_000,
    })
  }

  test('no version of 8 concurrent writers is lost', async () => {
    prefix = `/${randomUUID()}`
    const writers = Array.from({ length: 8 }, (_, index) => open(`writer ${index}`))
    await Promise.all(
      writers.map(async (writer, index) => {
        for (const round of [1, 2]) await writer.put(`{"writer":${index},"round":${round}}`)
      }),
    )
    const history = open('reader')
    const list = await history.list()
    expect(list.map(({ version }) => version)).toEqual(Array.from({ length: 16 }, (_, index) => 16 - index))
    expect(list.every(({ change, state }) => change === 'put' && state === 'written')).toBe(true)
    expect(new Set(list.map(({ content }) => content)).size).toBe(16)
    expect(await history.verify()).toMatchObject({ isValid: true, records: 32 })
    const { entries } = await openSource('config').load()
    expect(entries.map(({ content }) => content)).toEqual([list[0]?.content])
  })

  test('a rollback is byte-identical, and a change outside the history is detected', async () => {
    prefix = `/${randomUUID()}`
    const history = open('ann')
    const content = '{\r\n\t"ü": "🔑"}\n\n'
    await history.put(content)
    await openSource('config').put(key, '{"by":"hand"}', { author: 'bob' })
    await history.rollback(1)
    const { entries } = await openSource('config').load()
    expect(entries[0]?.content).toBe(content)
    const list = await history.list()
    expect(list.map(({ change, of }) => [change, of])).toEqual([
      ['rollback', 1],
      ['external', undefined],
      ['put', undefined],
    ])
    await openSource('config').delete(key)
    expect((await history.list())[0]).toMatchObject({ change: 'external', content: null })
    expect((await history.rollback(3)).content).toBe(content)
  })
})

import { randomUUID } from 'node:crypto'
import type { ConfigDocument, WritableConfigSource } from '@sd/core'
import { type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { probeWatch } from '@sd/testing'
import { Etcd3 } from 'etcd3'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createEtcdConfigSource, type EtcdConfigSourceOptions } from './index.ts'

const etcd = await obtainServer('etcd', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const limitMs = 10_000

const textsOf = ({ entries }: ConfigDocument): readonly (readonly [string, string])[] =>
  entries.map(({ key, content }) => [key, content])

describe.runIf(etcd && toxiproxy)('config-etcd', { timeout: 60_000 }, () => {
  let server: EtcdServer
  let proxy: Toxiproxy
  let client: Etcd3
  const opened: WritableConfigSource[] = []
  beforeAll(async () => {
    if (!etcd || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startEtcd(etcd), startToxiproxy(toxiproxy)])
    client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((source) => source.close()))
  })
  afterAll(async () => {
    client.close()
    await Promise.all([server.close(), proxy.close()])
  })

  function open(options: EtcdConfigSourceOptions): WritableConfigSource {
    const source = createEtcdConfigSource({ servers: [`127.0.0.1:${server.port}`], operationTimeoutMs: 10_000, ...options })
    opened.push(source)
    return source
  }
  const put = async (key: string, value: string): Promise<void> => void (await client.put(key).value(value))

  test('mixed values and documents, sorted, each in the format of its key', async () => {
    const prefix = `/${randomUUID()}`
    for (const key of ['orders.yaml', 'db/pool/size', 'app.JSON', 'db']) await put(`${prefix}/${key}`, key)
    const { entries } = await open({ prefix }).load()
    expect(entries.map(({ key, format }) => [key, format])).toEqual([
      ['app.JSON', 'json'],
      ['db', 'text'],
      ['db/pool/size', 'text'],
      ['orders.yaml', 'yaml'],
    ])
    expect(entries.every(({ revision }) => BigInt(revision) > 0n)).toBe(true)
  })

  test('a missing required path is not an empty configuration, and a watch waits for it', async () => {
    const prefix = `/${randomUUID()}`
    expect((await open({ prefix }).load()).entries).toEqual([])
    const source = open({ prefix, required: true })
    const error = { code: 'SD_NOT_FOUND', retryable: true }
    await expect(source.load()).rejects.toMatchObject(error)
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.untilStale(true)
    expect(probe.seen.at(-1)).not.toHaveProperty('value')
    await put(`${prefix}/a`, '1')
    await probe.until(({ entries }) => expect(entries).toHaveLength(1))
    await probe.stop()
  })

  test('bytes that are not UTF-8 are an error with their key, and the last values stay until they are corrected', async () => {
    const prefix = `/${randomUUID()}`
    await put(`${prefix}/a`, '1')
    const source = open({ prefix })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until(({ entries }) => expect(entries).toHaveLength(1))
    await client.put(`${prefix}/b`).value(Buffer.of(0xff, 0x00, 0xc3, 0x28))
    const error = { code: 'SD_MALFORMED', retryable: true, message: expect.stringContaining(': b is not UTF-8 text') }
    await expect(source.load()).rejects.toMatchObject(error)
    await probe.untilStale(true)
    expect(probe.seen.at(-1)).toMatchObject({ value: { entries: [{ key: 'a', content: '1' }] }, stale: { error } })
    expect((await open({ prefix, keys: ['a'] }).load()).entries).toHaveLength(1)
    await put(`${prefix}/b`, '\ufffd')
    await probe.untilStale(false)
    await probe.until(({ entries }) => expect(entries.map(({ content }) => content)).toEqual(['1', '\ufffd']))
    await probe.stop()
  })

  test('one format for all', async () => {
    const prefix = `/${randomUUID()}`
    await put(`${prefix}/orders`, 'a: 1')
    await put(`${prefix}/orders.json`, 'a: 1')
    const { entries } = await open({ prefix, format: 'yaml' }).load()
    expect(entries.map(({ format }) => format)).toEqual(['yaml', 'yaml'])
  })

  test('only the configured keys, in their order, and no other can be written', async () => {
    const prefix = `/${randomUUID()}`
    for (const key of ['a.yaml', 'b.yaml', 'c.yaml']) await put(`${prefix}/${key}`, key)
    const source = open({ prefix, keys: ['c.yaml', 'missing.yaml', 'a.yaml'] })
    expect((await source.load()).entries.map(({ key }) => key)).toEqual(['c.yaml', 'a.yaml'])
    await source.put('missing.yaml', 'm')
    expect((await source.load()).entries.map(({ key }) => key)).toEqual(['c.yaml', 'missing.yaml', 'a.yaml'])
    await expect(source.put('b.yaml', 'x')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
    await expect(source.delete('b.yaml')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
    expect(await client.get(`${prefix}/b.yaml`).string()).toBe('b.yaml')
  })

  test('a prefix ends at its slash, and invalid keys are ignored', async () => {
    const prefix = `/${randomUUID()}`
    for (const key of ['2/a', '/a', '', '/', '//b', '/c/', '/../d', `/${'e'.repeat(300)}`]) await put(prefix + key, 'x')
    expect(textsOf(await open({ prefix }).load())).toEqual([['a', 'x']])
  })

  test('keys that change in one transaction change in one document', async () => {
    const prefix = `/${randomUUID()}`
    const source = open({ prefix })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    for (let round = 1; round <= 50; round++) {
      const puts = ['a', 'b'].map((key) => client.put(`${prefix}/${key}`).value(String(round)))
      await client
        .if('none', 'Version', '==', 0)
        .then(...puts)
        .commit()
    }
    await probe.until((document) =>
      expect(textsOf(document)).toEqual([
        ['a', '50'],
        ['b', '50'],
      ]),
    )
    for (const { value } of probe.seen) expect(new Set(value?.entries.map(({ content }) => content)).size).toBeLessThan(2)
    await probe.stop()
  })

  test('a history that was compacted during an outage is replaced by a new list', async () => {
    const prefix = `/${randomUUID()}`
    const link = await proxy.link(server.port)
    const source = open({ prefix, servers: [`127.0.0.1:${link.port}`] })
    await put(`${prefix}/removed`, '1')
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until((document) => expect(textsOf(document)).toEqual([['removed', '1']]))
    await link.cut()
    await probe.untilStale(true)
    await client.delete().key(`${prefix}/removed`)
    await put(`${prefix}/new`, '1')
    const { header } = await client.put(`${prefix}/new`).value('2').exec()
    await client.kv.compact({ revision: header.revision, physical: true })
    await link.restore()
    await probe.until((document) => expect(textsOf(document)).toEqual([['new', '2']]))
    await probe.untilStale(false)
    await probe.stop()
  })

  test('an unreachable member is skipped', async () => {
    const link = await proxy.link(server.port)
    await link.cut()
    const source = open({ prefix: `/${randomUUID()}`, servers: [`127.0.0.1:${link.port}`, `127.0.0.1:${server.port}`] })
    let revision: string | null = null
    for (let round = 0; round < 10; round++) ({ revision } = await source.put('a', String(round), { ifRevision: revision }))
    expect(textsOf(await source.load())).toEqual([['a', '9']])
  })

  test('a write without a response does not conflict with itself', async () => {
    // The members are used in a random order: with enough rounds, some begin with the one that does not respond.
    for (let round = 0; round < 8; round++) {
      const link = await proxy.link(server.port)
      const source = open({ prefix: `/${randomUUID()}`, servers: [`127.0.0.1:${link.port}`, `127.0.0.1:${server.port}`] })
      for (let warm = 0; warm < 8; warm++) await source.load()
      await link.reset(0)
      const { revision } = await source.put('a', '1', { ifRevision: null })
      expect((await source.load()).entries).toMatchObject([{ key: 'a', content: '1', revision }])
      await link.restore()
      for (let warm = 0; warm < 8; warm++) await source.load()
      await link.reset(0)
      await source.delete('a', { ifRevision: revision })
      expect((await source.load()).entries).toEqual([])
      await link.close()
    }
  })
})

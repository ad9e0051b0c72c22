import { randomUUID } from 'node:crypto'
import type { ConfigDocument, WritableConfigSource } from '@sd/core'
import { type ConsulServer, obtainServer, startConsul, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { eventually, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ConsulConfigSourceOptions, createConsulConfigSource } from './index.ts'
import { deleteKey, putKey } from './testing/kv.ts'

const consul = await obtainServer('consul', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const limitMs = 10_000

const textsOf = ({ entries }: ConfigDocument): readonly (readonly [string, string])[] =>
  entries.map(({ key, content }) => [key, content])

describe.runIf(consul && toxiproxy)('config-consul', { timeout: 60_000 }, () => {
  let server: ConsulServer
  let proxy: Toxiproxy
  const opened: WritableConfigSource[] = []
  beforeAll(async () => {
    if (!consul || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startConsul(consul), startToxiproxy(toxiproxy)])
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((source) => source.close()))
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  function open(options: ConsulConfigSourceOptions): WritableConfigSource {
    const source = createConsulConfigSource({ servers: [`127.0.0.1:${server.port}`], operationTimeoutMs: 2_000, ...options })
    opened.push(source)
    return source
  }
  const put = (path: string, content: string): Promise<void> => putKey(server, path, content)

  test('mixed values and documents, sorted, each in the format of its key', async () => {
    const prefix = `test/${randomUUID()}`
    for (const key of ['orders.yaml', 'db/pool/size', 'app.JSON', 'db']) await put(`${prefix}/${key}`, key)
    const { entries } = await open({ prefix }).load()
    expect(entries.map(({ key, format }) => [key, format])).toEqual([
      ['app.JSON', 'json'],
      ['db', 'text'],
      ['db/pool/size', 'text'],
      ['orders.yaml', 'yaml'],
    ])
    expect(entries.every(({ revision }) => Number(revision) > 0)).toBe(true)
  })

  test('a missing required path is not an empty configuration, and a watch waits for it', async () => {
    const prefix = `test/${randomUUID()}`
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
    const prefix = `test/${randomUUID()}`
    await put(`${prefix}/a`, '1')
    const source = open({ prefix })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until(({ entries }) => expect(entries).toHaveLength(1))
    const url = `http://127.0.0.1:${server.port}/v1/kv/${prefix}/b`
    await fetch(url, { method: 'PUT', body: Buffer.of(0xff, 0x00, 0xc3, 0x28) })
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

  test('flags set by another program are kept', async () => {
    const prefix = `test/${randomUUID()}`
    const url = `http://127.0.0.1:${server.port}/v1/kv/${prefix}/a`
    await fetch(`${url}?flags=42`, { method: 'PUT', body: '1' })
    const source = open({ prefix })
    const { revision } = await source.put('a', '2')
    await source.put('a', '3', { ifRevision: revision })
    await source.put('b', '1', { ifRevision: null })
    const [entry] = (await (await fetch(url)).json()) as { readonly Flags: number; readonly Value: string }[]
    expect([entry?.Flags, Buffer.from(entry?.Value ?? '', 'base64').toString()]).toEqual([42, '3'])
  })

  test("one format for all, as for Spring Cloud's data keys", async () => {
    const prefix = `config/${randomUUID()}`
    await put(`${prefix}/application/data`, 'a: 1')
    await put(`${prefix}/orders/data`, 'a: 2')
    const { entries } = await open({ prefix, keys: ['application/data', 'orders/data'], format: 'yaml' }).load()
    expect(entries.map(({ content, format }) => [content, format])).toEqual([
      ['a: 1', 'yaml'],
      ['a: 2', 'yaml'],
    ])
  })

  test('only the configured keys, in their order, and no other can be written', async () => {
    const prefix = `test/${randomUUID()}`
    for (const key of ['a.yaml', 'b.yaml', 'c.yaml']) await put(`${prefix}/${key}`, key)
    const source = open({ prefix, keys: ['c.yaml', 'missing.yaml', 'a.yaml'] })
    expect((await source.load()).entries.map(({ key }) => key)).toEqual(['c.yaml', 'a.yaml'])
    await source.put('missing.yaml', 'm')
    expect((await source.load()).entries.map(({ key }) => key)).toEqual(['c.yaml', 'missing.yaml', 'a.yaml'])
    await expect(source.put('b.yaml', 'x')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
    await expect(source.delete('b.yaml')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
    expect(textsOf(await open({ prefix, keys: ['b.yaml'] }).load())).toEqual([['b.yaml', 'b.yaml']])
  })

  test('a prefix ends at its slash; folders and invalid keys are ignored', async () => {
    const prefix = `test/${randomUUID()}`
    for (const key of ['2/a', '/', '/folder/', '//b', '/../c']) await put(prefix + key, '')
    const source = open({ prefix })
    expect((await source.load()).entries).toEqual([])
    await put(`${prefix}/a`, 'x')
    expect(textsOf(await source.load())).toEqual([['a', 'x']])
  })

  test('keys that change in one transaction change in one document', async () => {
    const prefix = `test/${randomUUID()}`
    const source = open({ prefix })
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    for (let round = 1; round <= 50; round++) {
      const Value = Buffer.from(String(round)).toString('base64')
      const operations = ['a', 'b'].map((key) => ({ KV: { Verb: 'set', Key: `${prefix}/${key}`, Value } }))
      await server.call('PUT', '/v1/txn', operations)
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

  test('a folder that is deleted completely is empty', async () => {
    const prefix = `test/${randomUUID()}`
    const source = open({ prefix })
    for (const key of ['a', 'b/c']) await put(`${prefix}/${key}`, 'x')
    const probe = probeWatch((options) => source.watch(options), limitMs)
    await probe.until(({ entries }) => expect(entries).toHaveLength(2))
    await server.call('DELETE', `/v1/kv/${prefix}/?recurse`)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    await probe.stop()
  })

  test('a text that the agent rejects as too large is an error', async () => {
    const other = await startConsul(consul as NonNullable<typeof consul>, {
      config: { limits: { kv_max_value_size: 1_000, txn_max_req_len: 1_000 } },
    })
    const source = open({ servers: [`127.0.0.1:${other.port}`] })
    await source.put('a', 'x'.repeat(1_000))
    await expect(source.put('a', 'x'.repeat(1_001))).rejects.toMatchObject({ code: 'SD_TOO_LARGE', retryable: false })
    expect(textsOf(await source.load())).toEqual([['a', 'x'.repeat(1_000)]])
    await source.close()
    await other.close()
  })

  test('an unreachable agent is skipped, and a write without a response does not conflict with itself', async () => {
    const link = await proxy.link(server.port)
    const prefix = `test/${randomUUID()}`
    const source = open({ prefix, servers: [`127.0.0.1:${link.port}`, `127.0.0.1:${server.port}`] })
    await source.load()
    await link.reset(0)
    const { revision } = await source.put('a', '1', { ifRevision: null })
    expect((await source.load()).entries).toMatchObject([{ key: 'a', content: '1', revision }])
    await link.close()

    const later = await proxy.link(server.port)
    const deleting = open({ prefix, servers: [`127.0.0.1:${later.port}`, `127.0.0.1:${server.port}`] })
    await deleting.load()
    await later.reset(0)
    await deleting.delete('a', { ifRevision: revision })
    expect((await deleting.load()).entries).toEqual([])
    await later.close()
  })

  test('a text that is replaced at once has a revision with which no write succeeds', async () => {
    const prefix = `test/${randomUUID()}`
    const source = open({ prefix })
    const stop = new AbortController()
    const replacing = (async () => {
      while (!stop.signal.aborted) await put(`${prefix}/a`, 'theirs')
    })()
    await eventually(async () => expect((await source.put('a', 'ours')).revision).toBe('0'), limitMs).finally(() => stop.abort())
    await replacing
    await expect(source.put('a', 'x', { ifRevision: '0' })).rejects.toMatchObject({ code: 'SD_CONFLICT' })
    await deleteKey(server, `${prefix}/a`)
    await expect(source.put('a', 'x', { ifRevision: '0' })).rejects.toMatchObject({ code: 'SD_CONFLICT' })
  })
})

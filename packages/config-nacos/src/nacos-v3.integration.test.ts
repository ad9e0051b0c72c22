import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { WritableConfigSource } from '@sd/core'
import { createLinkedClients, obtainServer, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createNacosConfigSource, type NacosConfigSourceOptions } from './index.ts'
import { administrator, type StandIn, startStandIn } from './testing/stand-in-v3.ts'

// rnacos, which the other tests use, has no v3. Set SD_TEST_NACOS3_GUARDED to the address on 127.0.0.1 of an official Nacos 3
// whose user `nacos` has the password of the stand-in, and the contract runs on that server instead.
const official = process.env['SD_TEST_NACOS3_GUARDED']
const toxiproxy = await obtainServer('toxiproxy')
const group = 'DEFAULT_GROUP'
const dataIds = ['orders.yaml', 'orders']

describe.runIf(toxiproxy)(`config source contract, v3, on ${official ? 'Nacos 3' : 'a stand-in'}`, () => {
  let standIn: StandIn
  let proxy: Toxiproxy
  beforeAll(async () => {
    standIn = await startStandIn()
    if (toxiproxy) proxy = await startToxiproxy(toxiproxy)
  }, 60_000)
  afterAll(() => Promise.all([standIn.close(), proxy.close()]))

  const contract = configSourceContract({
    keys: ['orders.yaml', 'orders'],
    capabilities: { compareAndSet: false },
    cannotHold: ['empty', 'blank'],
    eventuallyMs: 10_000,
    setup: async () => {
      const namespace = official ? 'public' : randomUUID()
      const port = official ? Number(official.split(':').at(-1)) : standIn.port
      const options = { dataIds, namespace, api: 'v3', credentials: administrator, refreshIntervalMs: 200 } as const
      const tool = createNacosConfigSource({ ...options, servers: [`127.0.0.1:${port}`] })
      const { dispose, ...clients } = await createLinkedClients(proxy, port, (linked) =>
        createNacosConfigSource({ ...options, servers: [`127.0.0.1:${linked}`], operationTimeoutMs: 2_000 }),
      )
      return {
        ...clients,
        write: async (key, content) => void (await tool.put(key, content)),
        remove: (key) => tool.delete(key),
        async dispose() {
          for (const key of dataIds) await tool.delete(key)
          await Promise.all([tool.close(), dispose()])
        },
      }
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)
})

describe('on a stand-in for Nacos 3', () => {
  let standIn: StandIn
  const opened: WritableConfigSource[] = []
  beforeAll(async () => {
    standIn = await startStandIn()
  })
  afterEach(() => Promise.all(opened.splice(0).map((source) => source.close())))
  afterAll(() => standIn.close())

  function open(options: Partial<NacosConfigSourceOptions> = {}): WritableConfigSource {
    const source = createNacosConfigSource({ servers: [`127.0.0.1:${standIn.port}`], dataIds, ...options })
    opened.push(source)
    return source
  }
  function store(dataId: string, more: object = {}): void {
    const text = { content: 'a: 1', contentType: 'text', md5: 'of-the-server', lastModified: 1_767_225_600_000 }
    standIn.texts.set(JSON.stringify(['public', group, dataId]), { ...text, ...more })
  }

  test('a server without v1 is detected, and the entry has its type, MD5 and time', async () => {
    store('orders', { contentType: 'json', content: '{}' })
    const { entries } = await open({ dataIds: ['orders'] }).load()
    const updatedAt = 1_767_225_600_000
    expect(entries).toEqual([{ key: 'orders', content: '{}', format: 'json', revision: 'of-the-server', updatedAt }])
    expect(standIn.requests[0]).toMatch('GET /nacos/v1/cs/configs')
    standIn.texts.clear()
  })

  test('writing needs an administrator, and no URL or message contains the secret', async () => {
    await assert.rejects(open().put('orders', 'x'), { code: 'SD_DENIED' })
    const wrong = open({ credentials: { username: 'nacos', password: 'not-the-word' } })
    await assert.rejects(wrong.load(), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'SD_DENIED')
      assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /not-the-word/)
      return true
    })
    const source = open({ credentials: administrator })
    await source.put('orders.yaml', 'a: 1', { comment: 'why' })
    const request = standIn.requests.findLast((one) => one.startsWith('POST /nacos/v3/admin'))
    expect(request).toContain('type=yaml&desc=why')
    await source.delete('orders.yaml')
    expect(
      standIn.requests
        .filter((one) => /secret-word|not-the-word/.test(one))
        .every((one) => one.startsWith('POST /nacos/v3/auth')),
    ).toBe(true)
  })

  test('consecutive writes are compared with each other, although readers see a write later', async () => {
    const source = open({ credentials: administrator, dataIds: ['row'] })
    let { revision } = await source.put('row', '0', { ifRevision: null })
    await assert.rejects(source.put('row', 'again', { ifRevision: null }), { code: 'SD_CONFLICT' })
    for (const content of ['1', '2', '3']) ({ revision } = await source.put('row', content, { ifRevision: revision }))
    await source.delete('row', { ifRevision: revision })
    await assert.rejects(source.put('row', 'again', { ifRevision: revision }), { code: 'SD_CONFLICT' })
  })

  test('a type that was set in the console stays', async () => {
    const source = open({ credentials: administrator })
    store('orders', { contentType: 'xml', content: '<a/>' })
    expect((await source.put('orders', '<b/>')).format).toBe('text')
    expect(standIn.requests.at(-1)).toContain('type=xml')
    store('orders', { contentType: 'yaml' })
    expect((await source.put('orders', 'b: 1')).format).toBe('yaml')
    expect(standIn.requests.at(-1)).toContain('type=yaml')
    standIn.texts.clear()
  })

  test('an existing description stays, unless the write has a comment', async () => {
    const source = open({ credentials: administrator })
    store('orders', { desc: 'asked for by Ann' })
    await source.put('orders', 'b: 1')
    expect(standIn.requests.at(-1)).toContain('desc=asked+for+by+Ann')
    store('orders', { desc: 'asked for by Ann' })
    await source.put('orders', 'b: 2', { comment: 'why' })
    expect(standIn.requests.at(-1)).toContain('desc=why')
    standIn.texts.clear()
  })

  test('a text encrypted by a server plugin is rejected and not used as a value', async () => {
    store('orders', { encryptedDataKey: 'x' })
    await assert.rejects(open().load(), { code: 'SD_MALFORMED', message: /orders is encrypted by a plugin/ })
    standIn.texts.clear()
  })

  test('invalid responses are malformed', async () => {
    store('orders', { content: 1 })
    await assert.rejects(open().load(), { code: 'SD_MALFORMED', message: /without its content/ })
    standIn.texts.clear()
  })
})

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createLinkedClients, obtainServer, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { md5Of } from './config-api.ts'
import { createNacosConfigSource, type NacosConfigSource, type NacosConfigSourceOptions } from './index.ts'
import { reverse } from './testing/reverse.ts'
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
  const opened: NacosConfigSource[] = []
  beforeAll(async () => {
    standIn = await startStandIn()
  })
  afterEach(() => Promise.all(opened.splice(0).map((source) => source.close())))
  afterAll(() => standIn.close())

  function open(options: Partial<NacosConfigSourceOptions> = {}): NacosConfigSource {
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

  test('an encrypted text is read and written with its data key', async () => {
    const key = 'cipher-reverse-db'
    const source = open({ credentials: administrator, dataIds: [key], encryption: reverse })
    await source.put(key, 'secret')
    expect(standIn.requests.at(-1)).toContain('content=terces&encryptedDataKey=terces+fo+yek')
    await vi.waitFor(async () => expect((await source.load()).entries[0]?.content).toBe('secret'))
    await source.put(key, 'another')
    const [latest, first] = await source.listHistory(key)
    expect([latest?.change, first?.change]).toEqual(['updated', 'created'])
    expect(await source.readHistory(key, latest?.id ?? '')).toBe('secret')
    standIn.texts.clear()
  })

  test('the history is listed, the latest first, and its texts are read', async () => {
    const source = open({ credentials: administrator, dataIds: ['past'] })
    expect(await source.listHistory('past')).toEqual([])
    for (const content of ['1', '2', '3']) await source.put('past', content)
    await source.delete('past')
    const changes = await source.listHistory('past')
    expect(changes.map(({ change }) => change)).toEqual(['removed', 'updated', 'updated', 'created'])
    expect(changes[0]).toMatchObject({ isGray: false, changedAt: 1_700_000_000_000, user: 'nacos', address: '127.0.0.1' })
    expect(await Promise.all(changes.map(({ id }) => source.readHistory('past', id)))).toEqual(['3', '2', '1', '1'])
    expect(await source.listHistory('past', { limit: 1 })).toEqual(changes.slice(0, 1))
    await assert.rejects(source.readHistory('past', '999'), { code: 'SD_NOT_FOUND' })
    await assert.rejects(source.readHistory('past', '../1'), { code: 'SD_INVALID', field: 'id' })
    await assert.rejects(source.listHistory('other'), { code: 'SD_INVALID', field: 'key' })
    await assert.rejects(source.listHistory('past', { limit: 0 }), { code: 'SD_INVALID', field: 'limit' })
    await assert.rejects(open({ dataIds: ['past'] }).listHistory('past'), { code: 'SD_DENIED' })
  })

  test('a gray text is written beside the other one, and removed', async () => {
    const source = open({ credentials: administrator, dataIds: ['gray'] })
    await source.put('gray', 'for all')
    await source.putGray('gray', 'for some', { addresses: ['10.0.0.1', '::1'] })
    expect([...standIn.grayTexts.values()]).toMatchObject([{ content: 'for some', addresses: '10.0.0.1,::1' }])
    expect((await source.load()).entries[0]?.content).toBe('for some')
    for (let round = 0; round < 2; round++) await source.deleteGray('gray')
    await vi.waitFor(async () => expect((await source.load()).entries[0]?.content).toBe('for all'))
    standIn.texts.clear()
  })

  test('a text encrypted by a server plugin is rejected and not used as a value', async () => {
    store('orders', { encryptedDataKey: 'x', md5: md5Of('a: 1') })
    await assert.rejects(open().load(), { code: 'SD_MALFORMED', message: /orders was encrypted by a plugin/ })
    // The server has decrypted this one.
    store('orders', { encryptedDataKey: 'x', md5: md5Of('1 :a') })
    expect((await open().load()).entries[0]?.content).toBe('a: 1')
    standIn.texts.clear()
  })

  test('invalid responses are malformed', async () => {
    store('orders', { content: 1 })
    await assert.rejects(open().load(), { code: 'SD_MALFORMED', message: /without its content/ })
    standIn.texts.clear()
  })
})

import assert from 'node:assert/strict'
import type { ConfigDocument, WritableConfigSource } from '@sd/core'
import { type NacosStandIn, startNacosStandIn } from '@sd/test-servers/nacos-stand-in'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createNacosConfigSource, type NacosConfigSource, type NacosConfigSourceOptions } from './index.ts'
import { reverse } from './testing/reverse.ts'

// The rules of official servers, which rnacos does not have. The contract and the faults run on rnacos; with
// SD_TEST_NACOS_OFFICIAL the contract also runs on an official server.
const open: { close(): unknown }[] = []
const patience = { timeout: 15_000 }

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(): Promise<NacosStandIn> {
  const server = await startNacosStandIn()
  open.push(server)
  return server
}

function connect(server: NacosStandIn, options: Partial<NacosConfigSourceOptions> = {}): NacosConfigSource {
  const servers = [`127.0.0.1:${server.port}`]
  const dataIds = ['orders.yaml', 'extra', 'cipher-reverse-db']
  // No interval: what is seen was pushed.
  const source = createNacosConfigSource({ servers, api: 'grpc', dataIds, refreshIntervalMs: 600_000, ...options })
  open.push(source)
  return source
}

/** Follows the texts that a watch reports. */
function follow(source: WritableConfigSource): (string | undefined)[] {
  const texts: (string | undefined)[] = []
  const take = (document: ConfigDocument | undefined): void => void texts.push(document?.entries[0]?.content)
  void (async () => {
    for await (const { value } of source.watch()) take(value)
  })().catch(() => undefined)
  return texts
}

describe('configuration by gRPC', () => {
  test('is pushed when another client writes or removes it', async () => {
    const server = await start()
    const texts = follow(connect(server))
    await vi.waitFor(() => expect(texts).toEqual([undefined]), patience)
    await vi.waitFor(() => expect(server.received.at(-1)?.type).toBe('ConfigBatchListenRequest'), patience)
    const other = connect(server)
    await other.put('orders.yaml', 'a: 1')
    await vi.waitFor(() => expect(texts.at(-1)).toBe('a: 1'), patience)
    await other.delete('orders.yaml')
    await vi.waitFor(() => expect(texts.at(-1)).toBeUndefined(), patience)
  })

  test('is written by the server only over the text that was read', async () => {
    const server = await start()
    const [one, other] = [connect(server), connect(server)]
    const first = await one.put('orders.yaml', 'a: 1')
    await other.load()
    const results = await Promise.allSettled(
      [one, other].map((source, index) => source.put('orders.yaml', `a: ${index + 2}`, { ifRevision: first.revision })),
    )
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'SD_CONFLICT' } })
    const writes = server.received.filter(({ type, body }) => type === 'ConfigPublishRequest' && body['content'] !== 'a: 1')
    expect(writes.map(({ body }) => body['casMd5'])).toEqual(writes.map(() => first.revision))
  })

  test('is not written with a blank revision, which servers take for none', async () => {
    const source = connect(await start())
    await source.put('orders.yaml', 'a: 1')
    for (const ifRevision of ['', ' '])
      await assert.rejects(source.put('orders.yaml', 'a: 2', { ifRevision }), { code: 'SD_CONFLICT' })
    expect((await source.load()).entries[0]?.content).toBe('a: 1')
  })

  test('is not created with a revision of a text that was removed, although servers would', async () => {
    const server = await start()
    const source = connect(server)
    const { revision } = await source.put('orders.yaml', 'a: 1')
    await source.delete('orders.yaml')
    const late = source.put('orders.yaml', 'a: 2', { ifRevision: revision })
    await assert.rejects(late, { code: 'SD_CONFLICT' })
    expect((await source.load()).entries).toEqual([])
  })

  test('is read again on a new connection after the server has lost the old one', async () => {
    const server = await start()
    const source = connect(server)
    const texts = follow(source)
    await vi.waitFor(() => expect(server.received.at(-1)?.type).toBe('ConfigBatchListenRequest'), patience)
    server.forget()
    await assert.rejects(source.load(), { code: 'SD_UNAVAILABLE' })
    await connect(server).put('orders.yaml', 'a: 2')
    await vi.waitFor(() => expect(texts.at(-1)).toBe('a: 2'), patience)
  })

  test('is pushed as a gray text to the clients at its addresses', async () => {
    const server = await start()
    const writer = connect(server)
    await writer.put('orders.yaml', 'a: 1')
    const texts = follow(connect(server))
    await vi.waitFor(() => expect(server.received.at(-1)?.type).toBe('ConfigBatchListenRequest'), patience)
    await writer.putGray('orders.yaml', 'a: 2', { addresses: ['10.0.0.1'] })
    await writer.putGray('extra', 'b: 1', { addresses: ['10.0.0.1', '127.0.0.1'] })
    await vi.waitFor(
      async () => expect((await writer.load()).entries.map(({ content }) => content)).toEqual(['a: 1', 'b: 1']),
      patience,
    )
    await writer.putGray('orders.yaml', 'a: 3', { addresses: ['127.0.0.1'] })
    await vi.waitFor(() => expect(texts.at(-1)).toBe('a: 3'), patience)
    expect(texts).not.toContain('a: 2')
    await assert.rejects(writer.putGray('orders.yaml', 'a: 4', { addresses: ['host'] }), {
      code: 'SD_INVALID',
      field: 'addresses',
    })
    await assert.rejects(writer.putGray('other', 'a: 4', { addresses: ['10.0.0.1'] }), { code: 'SD_INVALID', field: 'key' })
  })

  test('is decrypted and encrypted with the data key that clients store', async () => {
    const server = await start()
    const key = 'cipher-reverse-db'
    const source = connect(server, { encryption: reverse })
    const { revision } = await source.put(key, 'secret', { author: 'ann' })
    expect((await source.load()).entries).toMatchObject([{ key, content: 'secret', revision }])
    const second = await source.put(key, 'another', { ifRevision: revision })
    expect((await source.load()).entries[0]?.revision).toBe(second.revision)
    const writes = server.received.filter(({ type }) => type === 'ConfigPublishRequest').map(({ body }) => body)
    expect(writes).toMatchObject([
      { content: 'terces', additionMap: { encryptedDataKey: 'terces fo yek', src_user: 'ann' } },
      { content: 'rehtona', additionMap: { encryptedDataKey: 'terces fo yek' }, casMd5: revision },
    ])
    const stranger = connect(server)
    await assert.rejects(stranger.load(), { code: 'SD_MALFORMED', message: /cipher-reverse-db was encrypted/ })
    await assert.rejects(stranger.put(key, 'plain'), { code: 'SD_UNSUPPORTED' })
    expect((await source.load()).entries[0]?.content).toBe('another')
  })
})

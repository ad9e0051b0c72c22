import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eventually, probeWatch } from '@sd/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { createNacosConfigSource, type NacosConfigSource, type NacosConfigSourceOptions } from './index.ts'
import { reverse } from './testing/reverse.ts'

// Gray texts, encrypted data keys and the history. rnacos has none of them. Set SD_TEST_NACOS_OFFICIAL to the address on 127.0.0.1
// of an official server without auth, and they run there too.
const official = process.env['SD_TEST_NACOS_OFFICIAL']
const limitMs = 10_000
const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

function open(address: string, options: Partial<NacosConfigSourceOptions>): NacosConfigSource {
  const dataIds = ['app.yaml', 'cipher-reverse-db']
  const source = createNacosConfigSource({ servers: [address], dataIds, refreshIntervalMs: 600_000, ...options })
  opened.push(source)
  return source
}

/** A server of version 2 as far as this test needs it: no v3, and the history as v1 has it. */
async function startBefore3(): Promise<string> {
  const server = createServer(({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://nacos')
    if (pathname !== '/nacos/v1/cs/history') return response.writeHead(404).end('Not Found')
    const detail = {
      opType: 'D         ',
      content: 'a: 1',
      srcUser: null,
      srcIp: '10.0.0.1',
      lastModifiedTime: '2026-11-30T20:00:00.000+00:00',
    }
    const item = { id: searchParams.get('nid') ?? '7', ...detail }
    if (searchParams.get('nid') === '8') return response.end()
    const body = searchParams.get('search') === 'accurate' ? { totalCount: 1, pageItems: [{ ...item, content: null }] } : item
    return response.end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  opened.push({ close: () => server.close().closeAllConnections() })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('the history of servers before version 3 is read by v1', async () => {
  const source = open(await startBefore3(), { api: 'v1' })
  const changedAt = Date.UTC(2026, 10, 30, 20)
  const change = { id: '7', change: 'removed', isGray: false, changedAt, user: undefined, address: '10.0.0.1' }
  expect(await source.listHistory('app.yaml')).toEqual([change])
  expect(await source.readHistory('app.yaml', '7')).toBe('a: 1')
  await assert.rejects(source.readHistory('app.yaml', '8'), { code: 'SD_NOT_FOUND' })
})

if (official) {
  describe('on an official server', { timeout: 60_000 }, () => {
    test('the history has each change, with the text that it replaced', async () => {
      const source = open(official, { namespace: randomUUID(), api: 'grpc' })
      for (const content of ['a: 1', 'a: 2']) await source.put('app.yaml', content, { author: 'ann' })
      await source.delete('app.yaml')
      await eventually(async () => {
        const changes = await source.listHistory('app.yaml')
        assert.deepEqual(
          changes.map(({ change, isGray, address }) => [change, isGray, address]),
          ['removed', 'updated', 'created'].map((change) => [change, false, '127.0.0.1']),
        )
        assert.ok(changes.every(({ changedAt }) => Math.abs(changedAt - Date.now()) < 60_000))
        assert.deepEqual(
          changes.slice(1).map(({ user }) => user),
          ['ann', 'ann'],
        )
        const texts = await Promise.all(changes.map(({ id }) => source.readHistory('app.yaml', id)))
        assert.deepEqual(texts, ['a: 2', 'a: 1', 'a: 1'])
      }, limitMs)
    })

    test('a gray text is pushed to the clients at its addresses, and its end too', async () => {
      const source = open(official, { namespace: randomUUID(), api: 'grpc' })
      await source.put('app.yaml', 'a: 1')
      const probe = probeWatch((options) => source.watch(options), limitMs)
      const untilContent = (content: string): Promise<unknown> =>
        probe.until(({ entries }) => assert.equal(entries[0]?.content, content))
      await untilContent('a: 1')
      await source.putGray('app.yaml', 'a: 2', { addresses: ['10.0.0.1'] })
      await source.putGray('app.yaml', 'a: 3', { addresses: ['10.0.0.1', '127.0.0.1'] })
      await untilContent('a: 3')
      expect(probe.seen.map(({ value }) => value?.entries[0]?.content)).not.toContain('a: 2')
      for (let round = 0; round < 2; round++) await source.deleteGray('app.yaml')
      await untilContent('a: 1')
      await probe.stop()
    })

    test('an encrypted text keeps its data key', async () => {
      const namespace = randomUUID()
      const key = 'cipher-reverse-db'
      const source = open(official, { namespace, api: 'grpc', encryption: reverse })
      const { revision } = await source.put(key, 'secret')
      await eventually(async () => {
        assert.deepEqual(
          (await source.load()).entries.map(({ content, revision: found }) => [content, found]),
          [['secret', revision]],
        )
      }, limitMs)
      await assert.rejects(open(official, { namespace, api: 'grpc' }).load(), { code: 'SD_MALFORMED' })
      await source.put(key, 'another', { ifRevision: revision })
      const [latest] = await source.listHistory(key)
      expect(await source.readHistory(key, latest?.id ?? '')).toBe('secret')
    })
  })
}

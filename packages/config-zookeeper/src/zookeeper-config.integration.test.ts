import type { ConfigDocument, WritableConfigSource } from '@sd/core'
import { obtainServer, startToxiproxy, startZooKeeper, type Toxiproxy, type ZooKeeperServer } from '@sd/test-servers'
import { eventually, probeWatch } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createZooKeeperConfigSource, type ZooKeeperConfigSourceOptions } from './index.ts'
import { connectOtherTool, type OtherTool } from './testing/other-tool.ts'
import { listSessions } from './testing/sessions.ts'

const zookeeper = await obtainServer('zookeeper', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

/** Keys and contents. */
function textsOf({ entries }: ConfigDocument): readonly string[] {
  return entries.map(({ key, content }) => `${key}=${content}`)
}

describe.runIf(zookeeper && toxiproxy)('ZooKeeper', { timeout: 30_000 }, () => {
  let server: ZooKeeperServer
  let proxy: Toxiproxy
  let tool: OtherTool
  let caseNumber = 0
  const opened: WritableConfigSource[] = []

  beforeAll(async () => {
    if (!zookeeper || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startZooKeeper(zookeeper), startToxiproxy(toxiproxy)])
    tool = connectOtherTool(server.port)
  }, 90_000)
  afterEach(() => Promise.all(opened.splice(0).map((source) => source.close())))
  afterAll(async () => {
    await tool.close()
    await Promise.all([server.close(), proxy.close()])
  })

  /** A separate path for every case. */
  function nextPrefix(): string {
    return `/case-${++caseNumber}`
  }

  function open(prefix: string, options: ZooKeeperConfigSourceOptions = {}): WritableConfigSource {
    const servers = [`127.0.0.1:${server.port}`]
    const source = createZooKeeperConfigSource({ servers, prefix, sessionTimeoutMs: 2_000, ...options })
    opened.push(source)
    return source
  }

  test('every node with data is an entry, folders are not', async () => {
    const prefix = nextPrefix()
    await tool.put(`${prefix}/db/pool/size`, '5')
    await tool.put(`${prefix}/db`, 'main')
    await tool.put(`${prefix}/orders.yaml`, 'a: 1')
    await tool.put(prefix, 'data of the prefix itself')
    const { entries } = await open(prefix).load()
    expect(entries.map(({ key, format, content }) => [key, format, content])).toEqual([
      ['db', 'text', 'main'],
      ['db/pool/size', 'text', '5'],
      ['orders.yaml', 'yaml', 'a: 1'],
    ])
    expect(entries.every(({ updatedAt = 0 }) => Math.abs(updatedAt - Date.now()) < 60_000)).toBe(true)
  })

  test('some keys are read in their own order, and nothing else', async () => {
    const prefix = nextPrefix()
    for (const key of ['b.conf', 'a.conf', 'c.conf', 'b.conf/below']) await tool.put(`${prefix}/${key}`, key)
    const source = open(prefix, { keys: ['b.conf', 'a.conf', 'missing/x.conf'], format: 'properties' })
    const probe = probeWatch((options) => source.watch(options), 10_000)
    await probe.until((document) => expect(textsOf(document)).toEqual(['b.conf=b.conf', 'a.conf=a.conf']))
    await tool.put(`${prefix}/missing/x.conf`, '1')
    const last = await probe.until(({ entries }) => expect(entries).toHaveLength(3))
    expect(last.entries.map(({ format }) => format)).toEqual(['properties', 'properties', 'properties'])
    await expect(source.put('c.conf', 'x')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
    await probe.stop()
  })

  test('a tree is followed as it grows and shrinks at any depth', async () => {
    const prefix = nextPrefix()
    const source = open(prefix)
    const probe = probeWatch((options) => source.watch(options), 10_000)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    await tool.put(`${prefix}/a/b/c/d`, '1')
    await probe.until((document) => expect(textsOf(document)).toEqual(['a/b/c/d=1']))
    await tool.put(`${prefix}/a/b`, '2')
    await tool.put(`${prefix}/a/b/c/e`, '3')
    await probe.until((document) => expect(textsOf(document)).toEqual(['a/b=2', 'a/b/c/d=1', 'a/b/c/e=3']))
    for (const path of ['a/b/c/d', 'a/b/c/e', 'a/b/c', 'a/b', 'a']) await tool.remove(`${prefix}/${path}`)
    await tool.remove(prefix)
    await probe.until(({ entries }) => expect(entries).toEqual([]))
    await tool.put(`${prefix}/a/b`, '4')
    await probe.until((document) => expect(textsOf(document)).toEqual(['a/b=4']))
    await probe.stop()
  })

  test('the revision differs after a node was removed and created again', async () => {
    const prefix = nextPrefix()
    const source = open(prefix)
    const { revision } = await source.put('a', '1')
    expect(revision).toMatch(/^0x[0-9a-f]+\.0$/)
    await tool.remove(`${prefix}/a`)
    await tool.put(`${prefix}/a`, '1')
    await expect(source.put('a', '2', { ifRevision: revision })).rejects.toMatchObject({ code: 'SD_CONFLICT' })
    await expect(source.delete('a', { ifRevision: revision })).rejects.toMatchObject({ code: 'SD_CONFLICT' })
    expect(await tool.read(`${prefix}/a`)).toBe('1')
  })

  test('removing an entry keeps its children, and an empty text is not an entry', async () => {
    const prefix = nextPrefix()
    const source = open(prefix)
    await source.put('a', '1')
    await source.put('a/b', '2')
    await source.delete('a')
    expect(textsOf(await source.load())).toEqual(['a/b=2'])
    await source.put('a', '3', { ifRevision: null })
    expect(textsOf(await source.load())).toEqual(['a=3', 'a/b=2'])
    await expect(source.put('a', '')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'content' })
    await expect(source.put('\ue000', '1')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'key' })
  })

  test('many concurrent writes of keys in one new folder all succeed', async () => {
    const prefix = nextPrefix()
    const sources = [open(prefix), open(prefix)]
    const keys = Array.from({ length: 20 }, (_, index) => `new/folder/${index % 10}`)
    await Promise.all(keys.map((key, index) => sources[index % 2]?.put(key, `${index}`)))
    expect((await sources[0]?.load())?.entries).toHaveLength(10)
  })

  test('an expired session is replaced by a new one, and the watch continues', async () => {
    const prefix = nextPrefix()
    const link = await proxy.link(server.port)
    const others = await listSessions(server.port)
    const source = open(prefix, { servers: [`127.0.0.1:${link.port}`], sessionTimeoutMs: 600 })
    await source.put('a', '1')
    const own = (await listSessions(server.port)).filter((id) => !others.includes(id))
    expect(own).toHaveLength(1)
    const probe = probeWatch((options) => source.watch(options), 10_000)
    await probe.until((document) => expect(textsOf(document)).toEqual(['a=1']))
    await link.cut()
    await probe.untilStale(true)
    expect(probe.seen.at(-1)?.value?.entries).toHaveLength(1)
    await eventually(async () => expect(await listSessions(server.port)).not.toContain(own[0]), 10_000)
    await tool.put(`${prefix}/a`, '2')
    await link.restore()
    await probe.until((document) => expect(textsOf(document)).toEqual(['a=2']))
    await probe.untilStale(false)
    await tool.put(`${prefix}/a`, '3')
    await probe.until((document) => expect(textsOf(document)).toEqual(['a=3']))
    await probe.stop()
    await link.close()
  })

  test('a disconnect within the session makes the watch stale but does not end it', async () => {
    const prefix = nextPrefix()
    const link = await proxy.link(server.port)
    const others = await listSessions(server.port)
    const source = open(prefix, { servers: [`127.0.0.1:${link.port}`], sessionTimeoutMs: 20_000 })
    await source.put('a', '1')
    const own = (await listSessions(server.port)).filter((id) => !others.includes(id))
    const probe = probeWatch((options) => source.watch(options), 10_000)
    await probe.until((document) => expect(textsOf(document)).toEqual(['a=1']))
    const before = probe.seen.at(-1)?.value
    await link.cut()
    await probe.untilStale(true)
    await link.restore()
    await probe.untilStale(false)
    expect(probe.seen.at(-1)?.value).toBe(before)
    expect(await listSessions(server.port)).toEqual([...others, ...own].sort())
    await tool.put(`${prefix}/a`, '2')
    await probe.until((document) => expect(textsOf(document)).toEqual(['a=2']))
    await probe.stop()
    await link.close()
  })

  test('a chroot is never created, and a watch waits for it', async () => {
    const chroot = nextPrefix()
    const source = open('/config', { chroot })
    await expect(source.put('a', '1')).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
    await expect(source.load()).rejects.toMatchObject({ code: 'SD_NOT_FOUND' })
    const probe = probeWatch((options) => source.watch(options), 10_000)
    await probe.untilStale(true)
    await tool.put(`${chroot}/config/a`, '1')
    await probe.until((document) => expect(textsOf(document)).toEqual(['a=1']))
    await source.put('b', '2')
    expect(await tool.read(`${chroot}/config/b`)).toBe('2')
    await probe.stop()
  })

  test('nodes are accessible only to their user, or to the users in the access list', async () => {
    const credentials = { username: 'owner', password: 'secret-one' }
    const [own, shared] = [nextPrefix(), nextPrefix()]
    await open(own, { credentials }).put('a', '1')
    const acl = [
      { scheme: 'auth', id: '' },
      { scheme: 'world', id: 'anyone', permissions: ['read'] },
    ] as const
    await open(shared, { credentials, acl }).put('a', '1')
    const denied = { code: 'SD_DENIED', message: expect.not.stringContaining('secret') }
    expect(textsOf(await open(shared).load())).toEqual(['a=1'])
    await expect(open(shared).put('a', '2')).rejects.toMatchObject(denied)
    await expect(open(own).load()).rejects.toMatchObject(denied)
    await expect(probeWatch((options) => open(own).watch(options), 5_000).ended).rejects.toMatchObject(denied)
  })

  test('a tree that is too large is stale with the reason, and recovers when it shrinks', { timeout: 180_000 }, async () => {
    const prefix = nextPrefix()
    const source = open(prefix, { operationTimeoutMs: 60_000 })
    await source.put('a', '1')
    const probe = probeWatch((options) => source.watch(options), 60_000)
    await probe.until((document) => expect(textsOf(document)).toEqual(['a=1']))
    await tool.createMany(`${prefix}/many`, 10_000)
    await eventually(() => expect(probe.seen.at(-1)?.stale?.error.code).toBe('SD_TOO_LARGE'), 60_000)
    await expect(source.load()).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
    await tool.removeMany(`${prefix}/many`, 10_000)
    await probe.untilStale(false)
    await probe.stop()
  })
})

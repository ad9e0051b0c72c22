import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServiceInstance, type SdError } from '@sd/core'
import { createMemoryRegistry, createMemoryStore } from '@sd/registry-memory'
import { eventually, fullSpec, hostileMetadata, hostileNames } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDiscovery, type Discovery, type DiskSnapshotOptions } from './index.ts'

let directory: string
const open: Discovery[] = []
const secret = 'a secret of some length'
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sd-snapshots-'))
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((discovery) => discovery.close()))
  await rm(directory, { recursive: true, force: true })
})

function start(store = createMemoryStore(), snapshots: DiskSnapshotOptions = { directory }, readyTimeoutMs = 10_000) {
  const registry = createMemoryRegistry({ store })
  const errors: SdError[] = []
  const discovery = createDiscovery({
    source: registry,
    snapshots,
    coldStartMs: 30,
    readyTimeoutMs,
    onError: (error) => errors.push(error),
  })
  open.push(discovery)
  return { registry, discovery, errors, store }
}

function startAway(snapshots?: DiskSnapshotOptions, readyTimeoutMs?: number) {
  const store = createMemoryStore()
  store.setAvailable(false)
  return start(store, snapshots, readyTimeoutMs)
}

/** Starts without the registry, and waits for the errors of the disk: it may be read after the call has failed. */
async function errorsOfStart(snapshots?: DiskSnapshotOptions): Promise<readonly SdError[]> {
  const { discovery, errors } = startAway(snapshots, 100)
  await expect(discovery.discover('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
  await eventually(() => expect(errors).toHaveLength(1), 5_000)
  return errors
}

/** Leaves a snapshot of `orders` on disk. */
async function leaveSnapshot(snapshots?: DiskSnapshotOptions): Promise<string> {
  const { registry, discovery } = start(undefined, snapshots)
  await registry.register({ ...fullSpec, metadata: hostileMetadata })
  await discovery.discover('orders')
  await discovery.close()
  const [file = ''] = await readdir(directory)
  return join(directory, file)
}

describe('a cold start without the registry', () => {
  test('serves the list on disk, stale, and then the real one', async () => {
    await leaveSnapshot()
    const { discovery, registry, store } = startAway()
    const snapshot = await discovery.discover('orders')
    expect(snapshot.stale).toBe(true)
    expect(snapshot.instances).toEqual(
      [createServiceInstance({ ...fullSpec, metadata: hostileMetadata, ttlMs: 15_000 }, expect.anything())].map((instance) => ({
        ...instance,
        createdAt: expect.any(Number),
        updatedAt: expect.any(Number),
        health: { ...instance.health, checkedAt: expect.any(Number) },
      })),
    )
    expect(discovery.cluster('orders').view.endpoints).toHaveLength(1)
    store.setAvailable(true)
    await registry.register({ service: 'orders', address: '10.9.9.9', port: 1 })
    await eventually(async () => {
      const { instances, stale } = await discovery.discover('orders')
      expect([instances.map(({ address }) => address), stale]).toEqual([['10.9.9.9'], false])
    }, 3_000)
  })

  test('rejects with the error of the source if there is nothing on disk', async () => {
    const { discovery, errors } = startAway(undefined, 100)
    await expect(discovery.discover('orders')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    expect(errors).toEqual([])
  })
})

describe('a file', () => {
  test('is readable only by its owner, stays in its folder whatever the name, and is one per service', async () => {
    const { registry, discovery } = start()
    for (const name of hostileNames) {
      await registry.register({ service: name, address: '10.0.0.1', port: 80 })
      await discovery.discover(name)
    }
    await discovery.close()
    const files = await readdir(directory)
    expect(files).toHaveLength(hostileNames.length)
    for (const file of files) {
      expect(file).toMatch(/^[a-zA-Z0-9_-]+\.snapshot$/)
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600)
    }
    const cold = startAway().discovery
    for (const name of hostileNames) expect((await cold.discover(name)).instances).toHaveLength(1)
  })

  test.each<[string, DiskSnapshotOptions | undefined, (text: string) => string]>([
    ['damaged', undefined, (text) => text.replace('10.0.0.1', '10.0.0.2')],
    ['cut off', undefined, (text) => text.slice(0, -20)],
    ['empty', undefined, () => ''],
    ['signed with another key', { directory: '', secret }, (text) => text],
    ['not signed although it must be', { directory: '', secret }, (text) => text.replace('hmac-sha256', 'sha256')],
  ])('that is %s is reported and not believed', async (_, options, change) => {
    const file = await leaveSnapshot(options && { directory, secret: 'another secret, as long' })
    await writeFile(file, change(await readFile(file, 'utf8')))
    const errors = await errorsOfStart({ ...options, directory })
    expect(errors).toEqual([
      expect.objectContaining({ code: 'SD_MALFORMED', message: expect.stringContaining('wrong signature') }),
    ])
    expect(errors[0]?.message).not.toContain('secret')
  })

  test('of another version or service is reported', async () => {
    const { createHash } = await import('node:crypto')
    const file = await leaveSnapshot()
    const write = (text: string) => writeFile(file, `sha256:${createHash('sha256').update(text).digest('hex')}\n${text}`)
    for (const [text, message] of [
      ['{"version":2}', 'format version 2, want 1'],
      ['{"version":1,"service":"users"}', 'it is for another service'],
      ['{"version":1,"service":"orders","instances":[{"service":"orders","address":"a","port":0}]}', 'Invalid port'],
      ['[', 'JSON'],
    ] as const) {
      await write(text)
      const errors = await errorsOfStart()
      expect(errors[0]?.message).toContain(message)
    }
  })

  test('signed with the right secret is accepted', async () => {
    await leaveSnapshot({ directory, secret })
    const { discovery } = startAway({ directory, secret })
    expect((await discovery.discover('orders')).instances).toHaveLength(1)
  })

  test('that can not be written or read is reported, with no other effect', async () => {
    const blocked = join(directory, 'file')
    await writeFile(blocked, '')
    const { registry, discovery, errors } = start(undefined, { directory: join(blocked, 'below') })
    await registry.register(fullSpec)
    expect((await discovery.discover('orders')).instances).toHaveLength(1)
    await eventually(() => expect(errors[0]).toMatchObject({ code: 'SD_UNAVAILABLE' }), 1_000)
  })
})

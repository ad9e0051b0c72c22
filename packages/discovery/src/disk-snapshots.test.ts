import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServiceInstance, createSnapshot, type SdError, type ServiceSnapshot } from '@sd/core'
import { createMemoryRegistry, createMemoryStore } from '@sd/registry-memory'
import { eventually, fullSpec, hostileMetadata, hostileNames } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDiskSnapshots } from './disk-snapshots.ts'
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

function startUnreachable(snapshots?: DiskSnapshotOptions, readyTimeoutMs?: number) {
  const store = createMemoryStore()
  store.setAvailable(false)
  return start(store, snapshots, readyTimeoutMs)
}

/** Starts without the registry, and waits for the errors of the disk: it may be read after the call has failed. */
async function errorsOfStart(snapshots?: DiskSnapshotOptions): Promise<readonly SdError[]> {
  const { discovery, errors } = startUnreachable(snapshots, 100)
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
    const { discovery, registry, store } = startUnreachable()
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
    const { discovery, errors } = startUnreachable(undefined, 100)
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
    const cold = startUnreachable().discovery
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
    const { discovery } = startUnreachable({ directory, secret })
    expect((await discovery.discover('orders')).instances).toHaveLength(1)
  })

  test('that cannot be written or read is reported, with no other effect', async () => {
    const blocked = join(directory, 'file')
    await writeFile(blocked, '')
    const { registry, discovery, errors } = start(undefined, { directory: join(blocked, 'below') })
    await registry.register(fullSpec)
    expect((await discovery.discover('orders')).instances).toHaveLength(1)
    await eventually(() => expect(errors[0]).toMatchObject({ code: 'SD_UNAVAILABLE' }), 1_000)
  })
})

describe('the folder', () => {
  const listOf = (service: string, revision: string): ServiceSnapshot => {
    const instance = createServiceInstance({ ...fullSpec, service }, { createdAt: 1, updatedAt: 2 })
    return createSnapshot({ service, revision, instances: [instance] })
  }

  test('is created with the folders above it, for its owner only', async () => {
    const below = join(directory, 'a', 'b')
    await createDiskSnapshots({ directory: below }).save(listOf('orders', '1'))
    for (const folder of [below, join(directory, 'a')]) expect((await stat(folder)).mode & 0o777).toBe(0o700)
  })

  test('has one file per service, however long the names are, each beginning with the name', async () => {
    const disk = createDiskSnapshots({ directory })
    const long = 'a'.repeat(100)
    for (const service of ['orders', 'orders:admin', `${long}1`, `${long}2`]) await disk.save(listOf(service, service))
    const names = (await readdir(directory)).map((file) => file.replace(/-[0-9a-f]{16}\.snapshot$/, '')).sort()
    expect(names).toEqual(['a'.repeat(40), 'a'.repeat(40), 'orders', 'orders_admin'])
    expect((await disk.load(`${long}2`))?.revision).toBe(`${long}2`)
  })

  test('gives back what was saved, stale, with its revision and its times', async () => {
    const disk = createDiskSnapshots({ directory })
    await disk.save(listOf('orders', '7'))
    const loaded = await disk.load('orders')
    expect(loaded).toMatchObject({ service: 'orders', revision: '7', stale: true, instances: [{ createdAt: 1, updatedAt: 2 }] })
    expect(await disk.load('users')).toBeUndefined()
  })

  test('has the last of several lists that were saved at the same time, and later ones', async () => {
    const disk = createDiskSnapshots({ directory })
    await Promise.all(['1', '2', '3'].map((revision) => disk.save(listOf('orders', revision))))
    expect((await disk.load('orders'))?.revision).toBe('3')
    void disk.save(listOf('orders', 'a'))
    await disk.save(listOf('orders', '4'))
    expect((await disk.load('orders'))?.revision).toBe('4')
    void disk.save(listOf('orders', '5'))
    void disk.save(listOf('users', '5'))
    await disk.flush()
    expect([(await disk.load('orders'))?.revision, (await disk.load('users'))?.revision]).toEqual(['5', '5'])
  })

  test('has no incomplete file after a write failed, and the next write succeeds', async () => {
    const disk = createDiskSnapshots({ directory })
    await disk.save(listOf('orders', '1'))
    const [file = ''] = await readdir(directory)
    await rm(join(directory, file))
    await mkdir(join(directory, file, 'blocks the name'), { recursive: true })
    const failed = disk.save(listOf('orders', '2'))
    await disk.flush()
    await expect(failed).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringContaining('writing the snapshot of orders'),
    })
    expect(await readdir(directory)).toEqual([file])
    await expect(disk.load('orders')).rejects.toMatchObject({
      code: 'SD_UNAVAILABLE',
      message: expect.stringContaining('reading the snapshot of orders'),
    })
    await rm(join(directory, file), { recursive: true })
    await disk.save(listOf('orders', '3'))
    expect((await disk.load('orders'))?.revision).toBe('3')
  })
})

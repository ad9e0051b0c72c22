import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Registry } from '@sd/core'
import { obtainServer, startToxiproxy, startZooKeeper, type Toxiproxy, type ZooKeeperServer } from '@sd/test-servers'
import { eventually, plainSpec, probeWatch, within } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createZooKeeperRegistry, type ZooKeeperRegistryOptions } from './index.ts'
import { connectOtherTool, type OtherTool } from './testing/other-tool.ts'

const zookeeper = await obtainServer('zookeeper', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

/** Returns the id of a user in the digest scheme. @param user `user:password` */
function digestOf(user: string): string {
  return `${user.split(':', 1)[0]}:${createHash('sha1').update(user).digest('base64')}`
}

describe.runIf(zookeeper && toxiproxy)('ZooKeeper', { timeout: 30_000 }, () => {
  let server: ZooKeeperServer
  let proxy: Toxiproxy
  let tool: OtherTool
  let caseNumber = 0
  const opened: Registry[] = []

  beforeAll(async () => {
    if (!zookeeper || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startZooKeeper(zookeeper), startToxiproxy(toxiproxy)])
    tool = await connectOtherTool(server.port)
  }, 90_000)
  afterEach(() => Promise.all(opened.splice(0).map((registry) => registry.close())))
  afterAll(async () => {
    tool.close()
    await Promise.all([server.close(), proxy.close()])
  })

  /** A separate path for each case. */
  function nextPrefix(): string {
    return `/case-${++caseNumber}`
  }

  function open(prefix: string, options: ZooKeeperRegistryOptions = {}): Registry {
    const servers = [`127.0.0.1:${server.port}`]
    const registry = createZooKeeperRegistry({ servers, prefix, sessionTimeoutMs: 2_000, ...options })
    opened.push(registry)
    return registry
  }

  test('instances are JSON documents in ephemeral nodes', async () => {
    const prefix = nextPrefix()
    const registry = open(prefix)
    await registry.register({ ...plainSpec('orders', 1), version: '1.0.0' })
    const document = JSON.parse(await tool.read(`${prefix}/orders/orders-1`)) as object
    expect(document).toMatchObject({ service: 'orders', id: 'orders-1', port: 8_001, version: '1.0.0' })
    expect(await tool.readAccess(`${prefix}/orders/orders-1`)).toEqual(['world:anyone'])
  })

  test('prefix and chroot separate services', async () => {
    const prefix = nextPrefix()
    await tool.createFolder(`${prefix}/team`)
    const [inside, outside, beside] = [open('/sd', { chroot: `${prefix}/team` }), open(`${prefix}/team/sd`), open(`${prefix}/sd`)]
    await inside.register(plainSpec('orders', 1))
    expect((await outside.getInstances('orders')).instances).toHaveLength(1)
    expect((await beside.getInstances('orders')).instances).toHaveLength(0)
    expect(await beside.listServices()).toEqual([])
    await inside.ping()
  })

  test('a chroot that does not exist is an error, and is not created', async () => {
    const prefix = nextPrefix()
    const registry = open('/sd', { chroot: prefix })
    const missing = { code: 'SD_NOT_FOUND', message: `the chroot ${prefix} does not exist` }
    await expect(registry.register(plainSpec('orders', 1))).rejects.toMatchObject(missing)
    await expect(registry.ping()).rejects.toMatchObject(missing)
  })

  test('nodes of a user are accessible to this user only', async () => {
    const prefix = nextPrefix()
    const owner = open(prefix, { credentials: { username: 'owner', password: 'secret-one' } })
    await owner.register(plainSpec('orders', 1))
    expect((await owner.getInstances('orders')).instances).toHaveLength(1)
    const admin = await connectOtherTool(server.port, 'owner:secret-one')
    for (const path of [prefix, `${prefix}/orders`, `${prefix}/orders/orders-1`]) {
      expect(await admin.readAccess(path)).toEqual([`digest:${digestOf('owner:secret-one')}`])
    }
    admin.close()
    for (const credentials of [undefined, { username: 'owner', password: 'secret-two' }]) {
      const other = open(prefix, credentials && { credentials })
      const refused = { code: 'SD_DENIED', message: expect.not.stringContaining('secret') }
      await expect(other.getInstances('orders')).rejects.toMatchObject(refused)
      await expect(other.register(plainSpec('orders', 2))).rejects.toMatchObject(refused)
      await expect(probeWatch((watch) => other.watch('orders', watch), 5_000).ended).rejects.toMatchObject(refused)
    }
  })

  test('changed credentials are presented for the next connection, and the nodes of the old ones are replaced', async () => {
    const prefix = nextPrefix()
    const link = await proxy.link(server.port)
    let password = 'old'
    const registry = open(prefix, {
      servers: [`127.0.0.1:${link.port}`],
      credentials: () => ({ username: 'app', password }),
      sessionTimeoutMs: 10_000,
    })
    const registration = await registry.register(plainSpec('orders', 1))
    const admin = await connectOtherTool(server.port, 'app:old')
    for (const path of [`${prefix}/orders`, prefix]) await admin.allow(path, ['app:old', 'app:new'].map(digestOf))
    admin.close()
    password = 'new'
    await link.cut()
    await eventually(() => expect(registration.state).toBe('recovering'), 5_000)
    await link.restore()
    await eventually(() => expect(registration.state).toBe('active'), 10_000)
    const reader = open(prefix, { credentials: { username: 'app', password: 'new' } })
    expect((await reader.getInstances('orders')).instances).toHaveLength(1)
    await link.close()
  })

  test('another member continues the session', async () => {
    const prefix = nextPrefix()
    const links = [await proxy.link(server.port), await proxy.link(server.port)]
    const servers = links.map(({ port }) => `127.0.0.1:${port}`)
    const registry = open(prefix, { servers, sessionTimeoutMs: 10_000 })
    const registration = await registry.register(plainSpec('orders', 1))
    const probe = probeWatch((watch) => open(prefix).watch('orders', watch), 5_000)
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    for (const link of links) {
      await link.cut()
      await eventually(() => registry.ping(), 5_000)
      await eventually(() => expect(registration.state).toBe('active'), 5_000)
      await link.restore()
    }
    expect(probe.seen).toHaveLength(1)
    await probe.stop()
  })

  test('a node of an earlier session is replaced, and does not expire with that session', async () => {
    const prefix = nextPrefix()
    const link = await proxy.link(server.port)
    const crashed = open(prefix, { servers: [`127.0.0.1:${link.port}`] })
    await crashed.register(plainSpec('orders', 1))
    await link.cut()
    await crashed.close()
    const restarted = open(prefix)
    const registration = await restarted.register({ ...plainSpec('orders', 1), version: '2' })
    await delay(4_000)
    expect(registration.state).toBe('active')
    expect((await restarted.getInstance('orders', 'orders-1'))?.version).toBe('2')
    await link.close()
  })

  test('the newest of two processes with one id keeps it, and the other one fails', async () => {
    const prefix = nextPrefix()
    const [one, two] = [open(prefix), open(prefix)]
    const older = await one.register(plainSpec('orders', 1))
    const newer = await two.register({ ...plainSpec('orders', 1), version: '2' })
    await eventually(() => expect(older.state).toBe('failed'), 5_000)
    expect(older.lastError?.code).toBe('SD_CONFLICT')
    expect(newer.state).toBe('active')
  })

  test('a document that ZooKeeper would not accept is refused before it is sent', async () => {
    const registry = open(nextPrefix())
    const metadata = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, 'x'.repeat(65_000)]))
    await expect(registry.register({ ...plainSpec('orders', 1), metadata: metadata(16) })).rejects.toMatchObject({
      code: 'SD_TOO_LARGE',
    })
    const large = await registry.register({ ...plainSpec('orders', 1), metadata: metadata(15) })
    await expect(large.update({ metadata: metadata(16) })).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
    expect(Object.keys((await registry.getInstance('orders', 'orders-1'))?.metadata ?? {})).toHaveLength(15)
  })

  test('instances of other tools are found, and an operator can remove them', async () => {
    const prefix = nextPrefix()
    const registry = open(prefix)
    const probe = probeWatch((watch) => registry.watch('orders', watch), 5_000)
    await probe.until(({ instances }) => expect(instances).toHaveLength(0))
    const curator = { name: 'orders', address: '10.0.0.1', port: 80, sslPort: null, payload: { metadata: { zone: 'a' } } }
    await tool.put(`${prefix}/orders/10.0.0.1:80`, JSON.stringify(curator))
    await tool.put(`${prefix}/orders/kratos`, JSON.stringify({ id: 'kratos', endpoints: ['grpc://10.0.0.2:9000'] }))
    await tool.put(`${prefix}/orders/${encodeURIComponent('dubbo://10.0.0.3:20880/x?version=1')}`, '10.0.0.3')
    await tool.put(`${prefix}/orders/malformed`, '{')
    await tool.createFolder(`${prefix}/orders/folder`)
    await tool.createFolder(`${prefix}/empty`)
    await tool.put(`${prefix}/not ours/x`, JSON.stringify(curator))
    const ids = ['10.0.0.1:80', '10.0.0.3:20880/1', 'kratos']
    await probe.until(({ instances }) => expect(instances.map(({ id }) => id)).toEqual(ids))
    for (const id of ids) expect((await registry.getInstance('orders', id))?.id).toBe(id)
    expect(await registry.getInstance('orders', 'malformed')).toBeUndefined()
    expect(await registry.listServices()).toEqual(['orders'])
    for (const id of [...ids, 'nobody']) await registry.deregister('orders', id)
    await probe.until(({ instances }) => expect(instances).toHaveLength(0))
    await tool.put(`${prefix}/orders/malformed`, JSON.stringify(curator))
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    await probe.stop()
  })

  test('a folder in place of an instance is a conflict', async () => {
    const prefix = nextPrefix()
    await tool.createFolder(`${prefix}/orders/orders-1/deeper`)
    const conflict = { code: 'SD_CONFLICT' }
    await expect(open(prefix).register(plainSpec('orders', 1))).rejects.toMatchObject(conflict)
    await expect(open(prefix).deregister('orders', 'orders-1')).rejects.toMatchObject(conflict)
  })

  test('a thousand instances are followed', async () => {
    const prefix = nextPrefix()
    const [registrar, watcher] = [open(prefix, { sessionTimeoutMs: 10_000 }), open(prefix, { sessionTimeoutMs: 10_000 })]
    const probe = probeWatch((watch) => watcher.watch('orders', watch), 20_000)
    const registrations = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => registrar.register(plainSpec('orders', index))),
    )
    const full = await probe.until(({ instances }) => expect(instances).toHaveLength(1_000))
    await registrations[500]?.update({ weight: 7 })
    const next = await probe.until(({ instances }) => expect(instances.some(({ weight }) => weight === 7)).toBe(true))
    expect(next.instances.filter((instance, index) => instance !== full.instances[index])).toHaveLength(1)
    await registrar.close()
    await probe.until(({ instances }) => expect(instances).toHaveLength(0))
    await probe.stop()
  })

  test('watches that start and end leave nothing behind', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): number => warnings.push(warning)
    process.on('warning', onWarning)
    const registry = open(nextPrefix())
    await registry.register(plainSpec('orders', 1))
    for (let index = 0; index < 50; index++) {
      for await (const _ of registry.watch('orders')) break
      for await (const _ of registry.watch('nobody')) break
      for await (const _ of registry.watchServices()) break
    }
    await delay(50)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })

  test('a disabled registry only finds instances', async () => {
    const prefix = nextPrefix()
    const registry = open(prefix, { enabled: false })
    const registration = await registry.register(plainSpec('orders', 1))
    expect(registration.state).toBe('closed')
    expect((await registry.getInstances('orders')).instances).toEqual([])
  })

  test('closing at any time is fast', async () => {
    for (const waitMs of [0, 1, 5, 20]) {
      const registry = open(nextPrefix())
      const pending = registry.ping().catch(() => undefined)
      if (waitMs > 0) await delay(waitMs)
      await within(registry.close(), 2_000, 'close()')
      await pending
    }
  })
})

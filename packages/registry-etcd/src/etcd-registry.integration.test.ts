import { randomUUID } from 'node:crypto'
import type { Registry } from '@sd/core'
import { type EtcdServer, obtainServer, startEtcd } from '@sd/test-servers'
import { eventually, plainSpec, probeWatch } from '@sd/testing'
import { Etcd3 } from 'etcd3'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createEtcdRegistry, type EtcdRegistryOptions } from './index.ts'

const etcd = await obtainServer('etcd', { own: true })

describe.runIf(etcd)('registry-etcd', () => {
  let server: EtcdServer
  let client: Etcd3
  let prefix: string
  const opened: Registry[] = []
  beforeAll(async () => {
    if (!etcd) return
    server = await startEtcd(etcd)
    client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((registry) => registry.close()))
  })
  afterAll(async () => {
    client.close()
    await server.close()
  })

  function open(options: EtcdRegistryOptions = {}): Registry {
    prefix = options.prefix ?? `/test/${randomUUID()}`
    const registry = createEtcdRegistry({ servers: [`127.0.0.1:${server.port}`], prefix, ttlMs: 2_000, ...options })
    opened.push(registry)
    return registry
  }

  test('prefixes separate registries', async () => {
    const [one, other] = [open(), open()]
    await one.register(plainSpec('orders', 1))
    expect((await other.getInstances('orders')).instances).toEqual([])
    expect(await other.listServices()).toEqual([])
  })

  test('documents of Kratos are read', async () => {
    const registry = open({ prefix: '/microservices' })
    const document = {
      id: 'b1',
      name: 'orders',
      version: '1.4.0',
      metadata: { team: 'a' },
      endpoints: ['http://10.0.0.7:8000?isSecure=true', 'grpc://10.0.0.7:9000'],
    }
    await client.put('/microservices/orders/b1').value(JSON.stringify(document))
    await client.put('/microservices/orders/b2').value('{"endpoints":["nonsense"]}')
    const { instances } = await registry.getInstances('orders')
    expect(instances).toHaveLength(1)
    expect(instances[0]).toMatchObject({
      id: 'b1',
      address: '10.0.0.7',
      port: 8_000,
      ports: { https: 8_000, grpc: 9_000 },
      protocol: 'https',
      version: '1.4.0',
      metadata: { team: 'a' },
    })
  })

  test('an instance that etcd would not accept is refused before it is sent', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`k${index}`, 'x'.repeat(60_000)]))
    await expect(open().register({ ...plainSpec('orders', 1), metadata })).rejects.toMatchObject({ code: 'SD_TOO_LARGE' })
  })

  test('a thousand registrations share one lease', async () => {
    const registry = open()
    await Promise.all(Array.from({ length: 100 }, (_, index) => registry.register(plainSpec('orders', index))))
    const { leases } = await client.leaseClient.leaseLeases()
    const kvs = await client.getAll().prefix(`${prefix}/`).exec()
    expect(new Set(kvs.kvs.map(({ lease }) => lease)).size).toBe(1)
    expect(leases.length).toBeLessThan(10)
  })

  test('a lease that an operator revoked is granted again, and the watch sees both', async () => {
    const [registry, watcher] = [open(), open({ prefix })]
    const registration = await registry.register(plainSpec('orders', 1))
    const probe = probeWatch((options) => watcher.watch('orders', options), 10_000)
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    const { kvs } = await client.getAll().prefix(`${prefix}/`).exec()
    await client.leaseClient.leaseRevoke({ ID: kvs[0]?.lease as string })
    await probe.until(({ instances }) => expect(instances).toHaveLength(0))
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    await eventually(() => expect(registration.state).toBe('active'), 5_000)
    await probe.stop()
  })

  test('a document that was written manually is bound to its lease again', async () => {
    const registration = await open().register(plainSpec('orders', 1))
    const read = async () => (await client.getAll().prefix(`${prefix}/`).exec()).kvs[0]
    const before = await read()
    await client.put(before?.key as Buffer).value(before?.value as Buffer)
    expect((await read())?.lease).toBe('0')
    await eventually(async () => {
      expect((await read())?.lease).toBe(before?.lease)
      expect(registration.state).toBe('active')
    }, 10_000)
  })

  test('a registration notices that another process uses its id', async () => {
    const [one, other] = [open(), open({ prefix })]
    const first = await one.register(plainSpec('orders', 1))
    await other.register({ ...plainSpec('orders', 1), version: '2' })
    await eventually(() => expect(first.state).toBe('failed'), 10_000)
    expect(first.lastError).toMatchObject({ code: 'SD_CONFLICT' })
  })

  test('a disabled registry finds instances and registers none', async () => {
    const registry = open()
    await registry.register(plainSpec('orders', 1))
    const quiet = open({ prefix, enabled: false })
    const registration = await quiet.register(plainSpec('orders', 2))
    await registration.update({ weight: 3 })
    expect([registration.state, registration.instance.weight]).toEqual(['closed', 3])
    expect((await quiet.getInstances('orders')).instances.map(({ id }) => id)).toEqual(['orders-1'])
    await registration.deregister()
  })

  test('invalid options are refused', () => {
    expect(() => createEtcdRegistry({ ttlMs: 1 })).toThrow('Invalid ttlMs')
    expect(() => createEtcdRegistry({ prefix: 'a/' })).toThrow('Invalid prefix')
    expect(() => createEtcdRegistry({ host: 'a' } as never)).toThrow('Invalid host: unknown field')
  })
})

import assert from 'node:assert/strict'
import type { InstanceSpec, Registry, ServiceSnapshot, Watched } from '@sd/core'
import { type NacosStandIn, startNacosStandIn } from '@sd/test-servers/nacos-stand-in'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createNacosRegistry, type NacosRegistryOptions } from './index.ts'

// The rules of official servers, which rnacos does not have. The contract and the faults run on rnacos; with
// SD_TEST_NACOS_OFFICIAL the contract also runs on an official server.
const open: { close(): unknown }[] = []
const patience = { timeout: 15_000 }

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(abilities?: Readonly<Record<string, boolean>>): Promise<NacosStandIn> {
  const server = await startNacosStandIn(abilities)
  open.push(server)
  return server
}

function connect(server: NacosStandIn, options: NacosRegistryOptions = {}): Registry {
  const registry = createNacosRegistry({
    servers: [`127.0.0.1:${server.port}`],
    api: 'grpc',
    refreshIntervalMs: 100,
    operationTimeoutMs: 5_000,
    ...options,
  })
  open.push(registry)
  return registry
}

const spec = (port: number): InstanceSpec => ({ service: 'orders', address: '10.0.0.1', port })
const places = (...ports: readonly number[]): readonly string[] => ports.map((port) => `10.0.0.1:${port}`)

/** Follows the ports that a watch reports. */
function follow(registry: Registry): { ports(): readonly number[]; states: Watched<ServiceSnapshot>[] } {
  const states: Watched<ServiceSnapshot>[] = []
  void (async () => {
    for await (const state of registry.watch('orders')) states.push(state)
  })().catch(() => undefined)
  return { states, ports: () => (states.at(-1)?.value?.instances ?? []).map(({ port }) => port).sort() }
}

describe('registrations by gRPC', () => {
  test('several of one service are one batch, and one leaves without the others', async () => {
    const server = await start()
    const registry = connect(server)
    const registrations = await Promise.all([1, 2, 3].map((port) => registry.register(spec(port))))
    expect(server.instances('orders')).toEqual(places(1, 2, 3))
    await registrations[1]?.deregister()
    expect(server.instances('orders')).toEqual(places(1, 3))
    await registrations[0]?.update({ weight: 7 })
    expect(server.instances('orders')).toEqual(places(1, 3))
    await registrations[0]?.deregister()
    expect(server.instances('orders')).toEqual(places(3))
    await registrations[2]?.deregister()
    expect(server.instances('orders')).toEqual([])
    const types = server.received.map(({ type, body }) => (type === 'InstanceRequest' ? body['type'] : type))
    expect(types.filter((type) => type === 'BatchInstanceRequest').length).toBeLessThanOrEqual(4)
  })

  test('a hundred at once are few requests', async () => {
    const server = await start()
    const registry = connect(server)
    await Promise.all(Array.from({ length: 100 }, (_, index) => registry.register(spec(index + 1))))
    expect(server.instances('orders')).toHaveLength(100)
    const sent = server.received.filter(({ type }) => /^(Batch)?InstanceRequest$/.test(type))
    expect(sent.length).toBeLessThan(20)
  })

  test('are made again on a server that has lost them, without a heartbeat', async () => {
    const server = await start()
    const registry = connect(server, { ttlMs: 600_000 })
    await Promise.all([1, 2].map((port) => registry.register(spec(port))))
    const watched = follow(registry)
    await vi.waitFor(() => expect(watched.ports()).toEqual([1, 2]), patience)
    server.forget()
    await assert.rejects(registry.ping(), { code: 'SD_UNAVAILABLE' })
    await vi.waitFor(() => expect(server.instances('orders')).toEqual(places(1, 2)), patience)
    expect(watched.ports()).toEqual([1, 2])
  })

  test('keep what is registered while the server moves its client to another connection', async () => {
    const server = await start()
    const registry = connect(server)
    await registry.register(spec(1))
    const [before] = server.connections()
    server.push('ConnectResetRequest', {})
    await vi.waitFor(() => expect(server.connections()).toHaveLength(2), patience)
    // The old connection ends only after the instance is registered on the new one.
    await vi.waitFor(() => {
      const present = server.instances('orders')
      expect(present.length).toBeGreaterThan(0)
      expect(server.connections()).not.toContain(before)
    }, patience)
    expect(server.instances('orders')).toEqual(places(1))
  })

  test('persistent ones stay without their client, on servers that accept them', async () => {
    const server = await start()
    const registry = connect(server, { persistent: true })
    const registration = await registry.register(spec(1))
    expect(await registry.getInstances('orders')).toMatchObject({ instances: [{ port: 1 }] })
    expect(server.received.find(({ type }) => type === 'PersistentInstanceRequest')?.body).toMatchObject({
      instance: { ephemeral: false },
    })
    await registration.deregister()
    expect(server.instances('orders')).toEqual([])
    const without = connect(await start({ supportPersistentInstanceByGrpc: false }), { persistent: true })
    await assert.rejects(without.register(spec(1)), { code: 'SD_UNSUPPORTED', message: /set api to v1 or v3/ })
  })
})

describe('watches by gRPC', () => {
  test('report what other clients change, by push', async () => {
    const server = await start()
    const watched = follow(connect(server))
    await vi.waitFor(() => expect(watched.states).toHaveLength(1), patience)
    const other = connect(server)
    const registration = await other.register(spec(1))
    await vi.waitFor(() => expect(watched.ports()).toEqual([1]), patience)
    await registration.deregister()
    await vi.waitFor(() => expect(watched.ports()).toEqual([]), patience)
    expect(server.received.filter(({ type }) => type === 'SubscribeServiceRequest')).toHaveLength(1)
  })

  test('do not go back to a list that is older than a push', async () => {
    const server = await start()
    const watched = follow(connect(server))
    await vi.waitFor(() => expect(watched.states).toHaveLength(1), patience)
    const push = (at: number, ports: readonly number[]): void => {
      const hosts = ports.map((port) => ({ ip: '10.0.0.1', port, healthy: true, enabled: true, metadata: {} }))
      const serviceInfo = { name: 'orders', groupName: 'DEFAULT_GROUP', hosts, lastRefTime: at }
      server.push('NotifySubscriberRequest', { serviceInfo })
    }
    const later = Date.now() + 1_000
    push(later, [1, 2])
    push(later - 1, [1])
    push(later + 1, [1, 2, 3])
    await vi.waitFor(() => expect(watched.ports()).toEqual([1, 2, 3]), patience)
    expect(watched.states.map(({ value }) => value?.instances.length)).not.toContain(1)
  })

  test('are stale while the server has a list that can not be read, and are read again', async () => {
    const server = await start()
    const watched = follow(connect(server))
    await vi.waitFor(() => expect(watched.states).toHaveLength(1), patience)
    server.push('NotifySubscriberRequest', { serviceInfo: { name: 'orders', groupName: 'DEFAULT_GROUP', hosts: 'none' } })
    await vi.waitFor(() => expect(watched.states.some(({ stale }) => stale?.error.code === 'SD_MALFORMED')).toBe(true), patience)
  })

  test('end their subscription with the last consumer', async () => {
    const server = await start()
    const registry = connect(server)
    for await (const _ of registry.watch('orders')) break
    await vi.waitFor(() => expect(server.received.at(-1)).toMatchObject({ body: { subscribe: false } }), patience)
  })

  test.each([
    ['reports new services', true],
    ['is asked at an interval', false],
  ])('the list of services is current on a server that %s', async (_, fuzzyWatch) => {
    const server = await start({ fuzzyWatch })
    const registry = connect(server)
    const lists: (readonly string[])[] = []
    void (async () => {
      for await (const { value } of registry.watchServices()) if (value) lists.push(value)
    })().catch(() => undefined)
    await vi.waitFor(() => expect(lists).toEqual([[]]), patience)
    await connect(server).register(spec(1))
    await vi.waitFor(() => expect(lists.at(-1)).toEqual(['orders']), patience)
    const asked = server.received.filter(({ type }) => type === 'ServiceListRequest').length
    if (fuzzyWatch) expect(asked).toBe(2)
    else expect(asked).toBeGreaterThan(1)
  })
})

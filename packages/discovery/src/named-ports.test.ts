import { createServiceInstance, createSnapshot, type InstanceSpec, SdError, type ServiceSnapshot, type Watched } from '@sd/core'
import { createMemoryRegistry, type MemoryRegistry } from '@sd/registry-memory'
import { plainSpec, eventually as within } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { byTags, createDiscovery, type Discovery, type DiscoveryOptions, type InstanceSource } from './index.ts'

const eventually = (check: () => Promise<void>): Promise<void> => within(check, 5_000)
let registry: MemoryRegistry
const open: Discovery[] = []
beforeEach(() => {
  registry = createMemoryRegistry()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((discovery) => discovery.close()))
  await registry.close()
})

function discover(options: Partial<DiscoveryOptions> = {}): Discovery {
  const discovery = createDiscovery({ source: registry, coalesceMs: 1, ...options })
  open.push(discovery)
  return discovery
}

async function places(discovery: Discovery, service: string): Promise<readonly string[]> {
  return (await discovery.discover(service)).instances.map(({ id, port }) => `${id} ${port}`)
}

describe('orders:admin', () => {
  test('is the instances of orders that have a port admin, at that port', async () => {
    await registry.register({ ...plainSpec('orders', 1), ports: { admin: 9001, metrics: 9100 } })
    await registry.register({ ...plainSpec('orders', 2), ports: { admin: 9002 } })
    await registry.register(plainSpec('orders', 3))
    const discovery = discover()
    expect(await places(discovery, 'orders:admin')).toEqual(['orders-1 9001', 'orders-2 9002'])
    expect(await places(discovery, 'orders')).toEqual(['orders-1 8001', 'orders-2 8002', 'orders-3 8003'])
    const { instances, service } = await discovery.refresh('orders:metrics')
    expect([service, instances]).toMatchObject(['orders:metrics', [{ id: 'orders-1', service: 'orders:metrics', port: 9100 }]])
    const endpoints = [discovery.cluster('orders'), discovery.cluster('orders:admin')].map(({ view }) => view.endpoints[0])
    expect(endpoints.map((endpoint) => endpoint?.key)).toEqual(['orders-1|10.1.0.1|8001', 'orders-1|10.1.0.1|9001'])
    expect(endpoints[1]?.origin).toBe('http://10.1.0.1:9001')
  })

  test('follows changes of ports; an instance that no longer has the port is not held', async () => {
    const [first] = await Promise.all(
      [1, 2, 3].map((index) => registry.register({ ...plainSpec('orders', index), ports: { admin: index } })),
    )
    const discovery = discover()
    expect(await places(discovery, 'orders:admin')).toEqual(['orders-1 1', 'orders-2 2', 'orders-3 3'])
    await first?.update({ ports: { admin: 7 } })
    await eventually(async () => expect((await places(discovery, 'orders:admin'))[0]).toBe('orders-1 7'))
    for (const { id } of (await registry.getInstances('orders')).instances) {
      await registry.register({ ...plainSpec('orders', Number(id.at(-1))), ports: { other: 1 } })
    }
    await eventually(async () => expect(await places(discovery, 'orders:admin')).toEqual([]))
    expect(discovery.cluster('orders:admin').explain()).toMatchObject({ withoutPort: 3 })
  })

  test('keeps the objects of unchanged instances', async () => {
    await registry.register({ ...plainSpec('orders', 1), ports: { admin: 1 } })
    const discovery = discover()
    const before = (await discovery.discover('orders:admin')).instances[0]
    await registry.register({ ...plainSpec('orders', 2), ports: { admin: 2 } })
    await eventually(async () => expect(await places(discovery, 'orders:admin')).toHaveLength(2))
    expect((await discovery.discover('orders:admin')).instances[0]).toBe(before)
  })

  test('reports the missing port', async () => {
    const discovery = discover()
    const refused = (): Promise<string> =>
      discovery.discoverOne('orders:admin').then(
        () => '',
        (error: SdError) => `${error.code} ${error.message}`,
      )
    expect(await refused()).toMatch(/^SD_NO_INSTANCE Unknown service orders:admin: /)
    await registry.register(plainSpec('orders', 1))
    await eventually(async () =>
      expect(await refused()).toBe('SD_NO_INSTANCE No instance of orders has a port named admin; 1 registered'),
    )
  })

  test.each([
    ['grpc', 'grpc'],
    ['grpc-web', 'http'],
    ['https-admin', 'https'],
    ['admin', 'http'],
    ['h2', 'h2'],
  ])('a port named %s is called by %s', async (port, protocol) => {
    await registry.register({ ...plainSpec('orders', 1), ports: { [port]: 1 } })
    expect((await discover().discover(`orders:${port}`)).instances).toMatchObject([{ protocol, port: 1 }])
  })

  test('has the options of orders, unless it has its own', async () => {
    await registry.register({ ...plainSpec('orders', 1), tags: ['eu'], ports: { admin: 1, other: 2 } })
    await registry.register({ ...plainSpec('orders', 2), ports: { admin: 1, other: 2 } })
    const discovery = discover({ services: { orders: { filter: byTags('eu') }, 'orders:other': {} } })
    expect(await places(discovery, 'orders:admin')).toEqual(['orders-1 1'])
    expect(await places(discovery, 'orders:other')).toHaveLength(2)
  })

  test('is the service of that name while that has instances', async () => {
    await registry.register({ ...plainSpec('orders', 1), ports: { admin: 9001 } })
    const own = await registry.register({ ...plainSpec('orders:admin', 1), id: 'own' })
    const discovery = discover()
    expect(await places(discovery, 'orders:admin')).toEqual(['own 8001'])
    expect((await discovery.refresh('orders:admin')).instances).toHaveLength(1)
    await own.deregister()
    await eventually(async () => expect(await places(discovery, 'orders:admin')).toEqual(['orders-1 9001']))
    await registry.register({ ...plainSpec('orders:admin', 1), id: 'own' })
    await eventually(async () => expect(await places(discovery, 'orders:admin')).toEqual(['own 8001']))
  })

  test('keeps its list, stale, while the registry is unreachable, and is updated afterwards', async () => {
    await registry.register({ ...plainSpec('orders', 1), ports: { admin: 9001 } })
    const discovery = discover()
    await places(discovery, 'orders:admin')
    registry.store.setAvailable(false)
    await eventually(async () => expect((await discovery.discover('orders:admin')).stale).toBe(true))
    expect(await places(discovery, 'orders:admin')).toEqual(['orders-1 9001'])
    registry.store.setAvailable(true)
    await registry.register({ ...plainSpec('orders', 2), ports: { admin: 9002 } })
    await eventually(async () => expect(await places(discovery, 'orders:admin')).toHaveLength(2))
    expect((await discovery.discover('orders:admin')).stale).toBe(false)
  })
})

describe('names', () => {
  test.each(['a:', ':a', 'a:B', 'a:80', 'a:b c', 'a:b@c'])('%s is only a service name', async (name) => {
    const asked: string[] = []
    const source: InstanceSource = {
      getInstances: (service) => {
        asked.push(service)
        return Promise.resolve(createSnapshot({ service, instances: [] }))
      },
    }
    await discover({ source }).discover(name)
    expect(asked).toEqual([name])
  })
})

describe('a source that refuses a name', () => {
  const denied = new SdError('SD_DENIED', 'denied')
  const invalid = new SdError('SD_INVALID', 'no such name')
  const away = new SdError('SD_UNAVAILABLE', 'away')

  /** @param lists instances by name; a missing name has no instances */
  function sourceOf(lists: Readonly<Record<string, InstanceSpec | SdError>>): InstanceSource {
    const list = (service: string): ServiceSnapshot => {
      const found = lists[service]
      if (found instanceof SdError) throw found
      return createSnapshot({ service, instances: found ? [createServiceInstance(found)] : [] })
    }
    return {
      getInstances: async (service) => list(service),
      async *watch(service, { signal } = {}): AsyncGenerator<Watched<ServiceSnapshot>> {
        yield { value: list(service) }
        await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }))
      },
    }
  }
  const withPort = { ...plainSpec('orders', 1), ports: { admin: 9001 } }
  const own = { ...plainSpec('orders:admin', 1), id: 'own' }

  test.each([
    ['the whole name is invalid', { 'orders:admin': invalid, orders: withPort }, ['orders-1 9001']],
    ['the whole name is denied', { 'orders:admin': denied, orders: withPort }, ['orders-1 9001']],
    ['the service is denied', { 'orders:admin': own, orders: denied }, ['own 8001']],
    ['the whole name is invalid, and there is no port', { 'orders:admin': invalid, orders: plainSpec('orders', 1) }, []],
    ['the whole name is denied, and there is no port', { 'orders:admin': denied, orders: plainSpec('orders', 1) }, denied],
    ['the service is denied, and the whole name unknown', { orders: denied }, denied],
    ['both are denied', { 'orders:admin': denied, orders: denied }, denied],
    ['both are invalid', { 'orders:admin': invalid, orders: invalid }, invalid],
  ])('%s', async (_, lists, expected) => {
    const discovery = discover({ source: sourceOf(lists), readyTimeoutMs: 1_000 })
    for (const found of [places(discovery, 'orders:admin'), discovery.refresh('orders:admin')]) {
      if (expected instanceof SdError) await expect(found).rejects.toBe(expected)
      else expect((await found) && (await places(discovery, 'orders:admin'))).toEqual(expected)
    }
  })

  test('an unreachable source makes the name unreachable', async () => {
    const discovery = discover({ source: sourceOf({ orders: away }), readyTimeoutMs: 50 })
    await expect(discovery.discover('orders:admin')).rejects.toBe(away)
    await expect(discovery.refresh('orders:admin')).rejects.toBe(away)
  })
})

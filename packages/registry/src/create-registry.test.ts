import { createMemoryRegistry, type MemoryRegistryOptions } from '@sd/registry-memory'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createDiscoverySource, createRegistry, type RegistryType } from './index.ts'

describe('adapters of this project', () => {
  test.each([
    ['memory:', 'memory'],
    ['consul://127.0.0.1:1', 'consul'],
    ['etcd://127.0.0.1:1/prefix', 'etcd'],
    ['zookeeper://127.0.0.1:1', 'zookeeper'],
    ['nacos://127.0.0.1:1', 'nacos'],
  ])('%s is loaded', async (url, name) => {
    await using registry = await createRegistry(url)
    expect(registry.name).toBe(name)
  })

  test('a configuration is passed on, and an error names its invalid field', async () => {
    await using registry = await createRegistry({ type: 'memory', name: 'mine', ttlMs: 1_000 })
    expect(registry.name).toBe('mine')
    await expect(createRegistry({ type: 'memory', ttlMs: -1 })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'ttlMs' })
    await expect(createRegistry('etcd://h:1/?ttl=5')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'ttl' })
    await expect(createRegistry({ type: 'consul', servers: ['a b'] })).rejects.toMatchObject({ field: 'servers[0]' })
    await expect(createRegistry({ type: 'constructor' })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'type' })
    await expect(createRegistry({} as never)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'type' })
  })

  test('a read-only source needs createDiscoverySource', async () => {
    const config = { type: 'static', instances: [{ service: 'orders', address: '10.0.0.1', port: 80 }] }
    await using source = await createDiscoverySource(config)
    expect((await source.getInstances('orders')).instances).toHaveLength(1)
    await expect(createRegistry(config)).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
  })

  test('a failover is created from URLs and configurations', async () => {
    const members = [{ registry: 'memory:?name=one' }, { registry: { type: 'memory', name: 'two' }, priority: 1 }]
    await using registry = await createRegistry({ type: 'failover', members })
    await registry.register({ service: 'orders', address: '10.0.0.1', port: 80 })
    expect((await registry.getInstances('orders')).instances).toHaveLength(1)
    const wrong = { type: 'failover', members: [members[0], { registry: { type: 'memory', ttlMs: 'x' } }] }
    await expect(createRegistry(wrong)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'members[1].registry.ttlMs' })
    await expect(createRegistry({ type: 'failover', members: [{}] })).rejects.toMatchObject({ field: 'members[0].registry' })
    await expect(createRegistry({ type: 'failover', members: 'memory:' })).rejects.toMatchObject({ field: 'members' })
    await expect(createRegistry({ type: 'failover', members, mode: 'x' })).rejects.toMatchObject({ field: 'mode' })
  })
})

describe("a caller's own type", () => {
  const tape: RegistryType<{ readonly length: number }> = {
    schema: z.strictObject({ length: z.number().int().min(1), label: z.string().default('none') }),
    create: ({ length }) => createMemoryRegistry({ name: `tape of ${length}` }),
  }

  test('is checked by its schema, with the path to the wrong field', async () => {
    await using registry = await createRegistry({ type: 'tape', length: 3 }, { types: { tape } })
    expect(registry.name).toBe('tape of 3')
    const types = { tape }
    await expect(createRegistry('tape:?length=0', { types })).rejects.toMatchObject({ code: 'SD_INVALID', field: 'length' })
    const members = [{ registry: { type: 'tape', length: 'long' } }]
    await expect(createRegistry({ type: 'failover', members }, { types })).rejects.toMatchObject({
      field: 'members[0].registry.length',
    })
  })

  test('needs no schema, and takes precedence over a built-in type', async () => {
    const types = { memory: { create: () => createMemoryRegistry({ name: 'own' }) } }
    await using registry = await createRegistry('memory:', { types })
    expect(registry.name).toBe('own')
  })
})

describe('errors for common mistakes say what to write', () => {
  const wanted =
    'want a URL such as consul://127.0.0.1:8500, or an object such as { type: "consul", servers: ["127.0.0.1:8500"] }'
  test.each([
    [new URL('consul://h:1'), 'Invalid registry: got "a URL object"'],
    [Promise.resolve('memory:'), 'Invalid registry: got "a promise", want its result (await the promise)'],
    [{}, 'Invalid type: got undefined, want one of consul, etcd'],
    [undefined, `Invalid registry: got undefined, ${wanted}; is the environment variable set?`],
    [null, `Invalid registry: got null, ${wanted}`],
    ['', `Invalid registry: got "an empty string", ${wanted}`],
    [['consul://h'], wanted],
    [createMemoryRegistry(), `Invalid registry: got "a registry instance", ${wanted}`],
    [
      'consul:127.0.0.1:8500',
      'Invalid url: got "consul:127.0.0.1:8500", want consul://127.0.0.1:8500, with two slashes before the host',
    ],
    ['nacos:registry.local', 'want nacos://registry.local, with two slashes before the host'],
    ['127.0.0.1:8500', 'want the type in front, such as consul://127.0.0.1:8500'],
    ['http://127.0.0.1:8500', 'Invalid type'],
  ])('%j', async (config, message) => {
    await expect(createRegistry(config as never)).rejects.toMatchObject({
      code: 'SD_INVALID',
      message: expect.stringContaining(message),
    })
  })
})

test('options with the type of their adapter are checked by the compiler', async () => {
  await using registry = await createRegistry<MemoryRegistryOptions>({ type: 'memory', name: 'mine', ttlMs: 1_000 })
  expect(registry.name).toBe('mine')
  // @ts-expect-error: the option is called ttlMs.
  await expect(createRegistry<MemoryRegistryOptions>({ type: 'memory', ttl: 1_000 })).rejects.toMatchObject({ field: 'ttl' })
})

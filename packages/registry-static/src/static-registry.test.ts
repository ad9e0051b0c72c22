import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type InstanceSpec, type ReadOnlyRegistry, subscribeTelemetry } from '@sd/core'
import { discovererContract, eventually, probeWatch } from '@sd/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseCatalog } from './catalog.ts'
import { createStaticRegistry } from './index.ts'

let folder: string
let file: string
const open: ReadOnlyRegistry[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-static-'))
  file = join(folder, 'services.yaml')
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((registry) => registry.close()))
  await rm(folder, { recursive: true })
})

function createRegistry(options: Parameters<typeof createStaticRegistry>[0] = { file }): ReadOnlyRegistry {
  const registry = createStaticRegistry({ refreshIntervalMs: 100, ...options })
  open.push(registry)
  return registry
}

async function addresses(registry: ReadOnlyRegistry, service: string = 'orders'): Promise<readonly string[]> {
  return (await registry.getInstances(service)).instances.map(({ address, port }) => `${address}:${port}`)
}

const one = 'services: { orders: [{ address: 10.0.0.1, port: 80 }] }'
const two = 'services: { orders: [{ address: 10.0.0.1, port: 80 }, { address: 10.0.0.2, port: 80 }] }'

describe('discoverer contract', () => {
  const contract = discovererContract({
    setup: async () => {
      const contractFolder = await mkdtemp(join(tmpdir(), 'sd-static-'))
      const path = join(contractFolder, 'services.json')
      async function publish(specs: readonly InstanceSpec[]): Promise<void> {
        const services: Record<string, unknown[]> = {}
        for (const { service, ...spec } of specs) services[service] = [...(services[service] ?? []), spec]
        await writeFile(`${path}.new`, JSON.stringify({ services }))
        await rename(`${path}.new`, path)
      }
      await publish([])
      return {
        publish,
        open: async () => createStaticRegistry({ file: path, refreshIntervalMs: 100 }),
        dispose: () => rm(contractFolder, { recursive: true }),
      }
    },
  })
  for (const { name, run } of contract) test(name, run)
})

describe('documents', () => {
  test('contain every field of an instance, in YAML and in JSON', async () => {
    const spec = {
      id: 'a',
      address: '::1',
      port: 8080,
      protocol: 'https',
      version: '1.2.0',
      weight: 2.5,
      priority: 1,
      tags: ['eu'],
      metadata: { team: 'a' },
      locality: { zone: 'z1' },
      health: 'draining',
      ttlMs: 1_000,
    }
    for (const text of [
      JSON.stringify({ services: { orders: [spec] } }),
      JSON.stringify({ services: { orders: [spec] } }, null, 2).replaceAll('"', "'"),
    ]) {
      await writeFile(file, text)
      const instance = await createRegistry().getInstance('orders', 'a')
      expect(instance).toMatchObject({ ...spec, health: { status: 'draining' } })
    }
  })

  test.each([
    [
      'services:\n  orders:\n    - { address: 10.0.0.1, port: 80 }\n    - { address: 10.0.0.2, port: 0 }',
      '4:34: services.orders[1]: Invalid port: got 0, want an integer from 1 to 65535',
    ],
    [
      'services:\n  orders:\n    - address: 10.0.0.1\n      port: 80\n      tags: [a, ""]',
      '5:17: services.orders[0]: Invalid tags[1]: got "", want',
    ],
    [
      'services:\n  orders:\n    - { address: a, port: 80, wieght: 2 }',
      '3:39: services.orders[0]: Invalid wieght: unknown field',
    ],
    ['services:\n  orders: [', '2:12: '],
    ['services:\n  orders: []\n  users: []\n  orders: []', '4:3: Map keys must be unique'],
    ['services:\n  orders: 3', '2:11: Invalid services.orders: got number, want a list of instances'],
    ['services:\n  orders:\n    - 7', '3:7: Invalid services.orders[0]: got number, want a mapping'],
    ['service: {}', '1:10: Invalid service: got an unknown field, want only the field services'],
    ['- a', '1:1: Invalid document: got a list, want a mapping'],
    [
      'services:\n  orders:\n    - { id: a, address: x, port: 1 }\n    - { id: a, address: y, port: 1 }',
      '4:7: Invalid services.orders[1]: got the duplicate id a, want an id other than that of the instance at',
    ],
  ])('with an error are refused with the position: %j', async (text, message) => {
    await writeFile(file, text)
    expect(() => createRegistry()).toThrow(
      expect.objectContaining({ code: 'SD_MALFORMED', message: expect.stringContaining(`${file}:${message}`) }),
    )
  })

  test('merge keys merge', async () => {
    await writeFile(file, 'services:\n  orders:\n    - &a { id: a, address: x, port: 1 }\n    - { <<: *a, id: b }')
    expect(await createRegistry().getInstance('orders', 'b')).toMatchObject({ address: 'x', port: 1 })
  })

  test('with eight times the services take about eight times as long', () => {
    const make = (count: number): string =>
      `services:\n${Array.from({ length: count }, (_, index) => `  s${index}: [{ address: a, port: 1 }]`).join('\n')}`
    const shortest = (text: string): number =>
      Math.min(
        ...[1, 2, 3].map(() => {
          const startedAt = process.cpuUsage()
          parseCatalog(text, 'file')
          const { user, system } = process.cpuUsage(startedAt)
          return (user + system) / 1_000
        }),
      )
    const [small, large] = [make(1_500), make(12_000)].map(shortest) as [number, number]
    expect(large).toBeLessThan(24 * Math.max(small, 4))
  }, 120_000)

  test('a missing file is refused', () => {
    expect(() => createRegistry()).toThrow(expect.objectContaining({ code: 'SD_NOT_FOUND' }))
  })
})

describe('other sources', () => {
  test('an environment variable contains a document or a compact list', async () => {
    process.env['SD_TEST_INSTANCES'] = 'orders=10.0.0.1:80,host.example:81; users=[::1]:82'
    const compact = createRegistry({ env: 'SD_TEST_INSTANCES' })
    expect(await addresses(compact)).toEqual(['10.0.0.1:80', 'host.example:81'])
    expect(await addresses(compact, 'users')).toEqual(['::1:82'])
    expect(await compact.listServices()).toEqual(['orders', 'users'])
    process.env['SD_TEST_INSTANCES'] = JSON.stringify({ services: { orders: [{ address: 'a', port: 1 }] } })
    expect(await addresses(createRegistry({ env: 'SD_TEST_INSTANCES' }))).toEqual(['a:1'])
    process.env['SD_TEST_INSTANCES'] = 'orders=10.0.0.1'
    expect(() => createRegistry({ env: 'SD_TEST_INSTANCES' })).toThrow('SD_TEST_INSTANCES: got "10.0.0.1", want host:port')
    delete process.env['SD_TEST_INSTANCES']
    expect(() => createRegistry({ env: 'SD_TEST_INSTANCES' })).toThrow('Invalid env')
  })

  test('instances can be given as objects', async () => {
    const registry = createRegistry({ instances: [{ service: 'orders', address: 'a', port: 1 }] })
    expect(await addresses(registry)).toEqual(['a:1'])
    await registry.ping()
    expect(() => createRegistry({ instances: [{ service: 'orders', address: 'a', port: 0 }] })).toThrow(
      'instances: services.orders[0]: Invalid port',
    )
  })

  test('invalid options are refused', () => {
    expect(() => createRegistry({})).toThrow('exactly one of file, env and instances')
    expect(() => createRegistry({ file: 'a', env: 'b' })).toThrow('got "2 of file, env and instances"')
    expect(() => createRegistry({ file: '' })).toThrow('Invalid file')
    expect(() => createRegistry({ instances: 3 as never })).toThrow('Invalid instances')
    expect(() => createRegistry({ path: 'x' } as never)).toThrow('Invalid path: unknown field')
  })
})

describe('changes of the file', () => {
  test('are noticed after a write, a rename, and a symlink swap', async () => {
    await writeFile(file, one)
    const registry = createRegistry()
    await writeFile(file, two)
    await eventually(async () => expect(await addresses(registry)).toHaveLength(2), 2_000)
    await writeFile(`${file}.tmp`, one)
    await rename(`${file}.tmp`, file)
    await eventually(async () => expect(await addresses(registry)).toHaveLength(1), 2_000)

    // Like a Kubernetes volume: the file is a link through ..data, and ..data is replaced.
    await mkdir(join(folder, 'v1'))
    await mkdir(join(folder, 'v2'))
    await writeFile(join(folder, 'v1', 'list.yaml'), one)
    await writeFile(join(folder, 'v2', 'list.yaml'), two)
    await symlink('v1', join(folder, '..data'))
    await symlink(join('..data', 'list.yaml'), join(folder, 'list.yaml'))
    const mounted = createRegistry({ file: join(folder, 'list.yaml') })
    expect(await addresses(mounted)).toHaveLength(1)
    await symlink('v2', join(folder, '..new'))
    await rename(join(folder, '..new'), join(folder, '..data'))
    await eventually(async () => expect(await addresses(mounted)).toHaveLength(2), 2_000)
  })

  test('to invalid content keep the last valid list, stale, and report the position until it is corrected', async () => {
    await writeFile(file, two)
    const registry = createRegistry()
    const states: string[] = []
    const stop = subscribeTelemetry('sd:v1:backend:state', ({ state, error }) => states.push(`${state} ${error?.message ?? ''}`))
    const probe = probeWatch((options) => registry.watch('orders', options), 3_000)
    await probe.until(({ instances }) => expect(instances).toHaveLength(2))
    await writeFile(file, 'services:\n  orders: 3')
    await probe.untilStale(true)
    const last = probe.seen.at(-1)
    expect(last?.stale?.error.message).toContain(`${file}:2:11: Invalid services.orders`)
    expect(last?.value?.instances).toHaveLength(2)
    expect(registry.state).toBe('disconnected')
    expect((await registry.getInstances('orders')).stale).toBe(true)
    expect(await addresses(registry)).toHaveLength(2)
    await expect(registry.ping()).rejects.toMatchObject({ code: 'SD_MALFORMED', retryable: true })
    await rm(file)
    await eventually(() => expect(registry.ping()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' }), 2_000)
    await writeFile(file, one)
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    await probe.untilStale(false)
    expect(registry.state).toBe('connected')
    expect(probe.seen.every(({ value }) => value === undefined || value.instances.length > 0)).toBe(true)
    expect(states[0]).toContain('disconnected')
    expect(states.at(-1)).toBe('connected ')
    stop()
    await probe.stop()
  })

  test('to the same content yield nothing', async () => {
    await writeFile(file, one)
    const registry = createRegistry()
    const probe = probeWatch((options) => registry.watch('orders', options), 2_000)
    await probe.until(({ instances }) => expect(instances).toHaveLength(1))
    await writeFile(file, one)
    await registry.ping()
    await writeFile(file, `${one} # a comment`)
    await registry.ping()
    expect(probe.seen).toHaveLength(1)
    await probe.stop()
  })
})

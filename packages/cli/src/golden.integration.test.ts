import type { Registry } from '@sd/core'
import { createConsulRegistry } from '@sd/registry-consul'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { createMemoryRegistry } from '@sd/registry-memory'
import { obtainServer, startConsul, startEtcd } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exampleSpecs, registerExamples } from './testing/example-services.ts'
import { expectGolden } from './testing/golden.ts'
import { type SdctlOptions, sdctl } from './testing/run-sdctl.ts'
import { expectSchema } from './testing/schemas.ts'

/** A backend with the example services. */
interface Backend {
  readonly registry: Registry
  readonly url: string
  close(): Promise<void>
}

const consul = await obtainServer('consul')
const etcd = await obtainServer('etcd')

const backends: Readonly<Record<string, (() => Promise<Backend>) | undefined>> = {
  memory() {
    const registry = createMemoryRegistry()
    return Promise.resolve({ registry, url: 'memory:', close: () => registry.close() })
  },
  consul:
    consul &&
    (async () => {
      const server = await startConsul(consul)
      const registry = createConsulRegistry({ servers: [`127.0.0.1:${server.port}`] })
      return { registry, url: `consul://127.0.0.1:${server.port}`, close: () => registry.close().then(() => server.close()) }
    }),
  etcd:
    etcd &&
    (async () => {
      const server = await startEtcd(etcd)
      const registry = createEtcdRegistry({ servers: [`127.0.0.1:${server.port}`] })
      return { registry, url: `etcd://127.0.0.1:${server.port}`, close: () => registry.close().then(() => server.close()) }
    }),
}

const commands: Readonly<Record<string, readonly string[]>> = {
  services: ['services'],
  instances: ['instances', 'orders'],
  unhealthy: ['instances', 'stock', '--unhealthy'],
  instance: ['instance', 'stock', 'stock-1'],
  masked: ['instance', 'orders', 'orders-0'],
}
const looks: Readonly<Record<string, SdctlOptions>> = {
  '80': { columns: 80 },
  '140': { columns: 140 },
  'no-color': { columns: 80, env: { NO_COLOR: '1' } },
  piped: {},
}

describe.each(Object.entries(backends))('%s', (name, start) => {
  describe.runIf(start)('with the example services', () => {
    let backend: Backend
    let now: () => number
    beforeAll(async () => {
      backend = await (start as () => Promise<Backend>)()
      now = await registerExamples(backend.registry)
      await eventually(async () => {
        const found = await Promise.all(['orders', 'stock'].map((service) => backend.registry.getInstances(service)))
        expect(found.flatMap(({ instances }) => instances)).toHaveLength(exampleSpecs.length)
      }, 20_000)
    })
    afterAll(() => backend.close())

    function run(argv: readonly string[], options: SdctlOptions = {}) {
      return sdctl([...argv, '--registry', backend.url], { ...options, now, memory: backend.registry })
    }

    test.each(Object.keys(commands).flatMap((command) => Object.keys(looks).map((look) => [command, look] as const)))(
      '%s at %s',
      async (command, look) => {
        const { code, out, err } = await run(commands[command] ?? [], looks[look])
        expect({ code, err }).toEqual({ code: 0, err: '' })
        expectGolden(`${name}/${command}-${look}`, out.replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT'))
      },
    )

    test.each(Object.entries(commands))('%s as JSON', async (_, argv) => {
      const { code, out } = await run([...argv, '--json'])
      expect(code).toBe(0)
      expectSchema(out)
      expect(out).not.toContain('hidden-canary')
    })
  })
})

import { readFileSync } from 'node:fs'
import type { InstanceSpec } from '@sd/core'
import { obtainServer, startZooKeeper } from '@sd/test-servers'
import { describe, expect, test } from 'vitest'
import { readDocument } from './documents.ts'
import { createZooKeeperRegistry } from './index.ts'
import { connectOtherTool } from './testing/other-tool.ts'

// Data that other tools wrote, byte for byte, and what they read of our instances. The table in
// docs/guides/migrating-between-backends.md describes it, and CONTRIBUTING.md how to record it again.

interface Recorded {
  /** Data by path. */
  readonly wrote: Readonly<Record<string, string>>
  readonly saw: readonly object[]
  /** Instances without traffic. */
  readonly wroteAway?: Readonly<Record<string, string>>
}

interface RecordedDubbo extends Omit<Recorded, 'saw'> {
  readonly wroteWithTls: Readonly<Record<string, string>>
  /** After QoS' `offline` and `offlineApp`. */
  readonly wroteOffline: Readonly<Record<string, string>>
  /** Notifications of a subscriber. */
  readonly sawByInterface: readonly string[]
  /** Errors of the list of instances. */
  readonly sawAsApplication: string
  /** The same next to a provider of Dubbo under the same name. */
  readonly sawAsApplicationBesideItsOwn: string
}

interface Document {
  readonly createdAt: number
  readonly updatedAt: number
  readonly incarnation: string
  readonly health: { readonly status: string }
}

function load<T = Recorded>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./testing/recorded-${name}.json`, import.meta.url), 'utf8')) as T
}

const ours = load<{ readonly specs: readonly InstanceSpec[]; readonly written: Readonly<Record<string, object>> }>('ours')
const [kratos, spring, curator, dubbo] = [load('kratos'), load('spring'), load('curator'), load<RecordedDubbo>('dubbo')]

function read({ wrote }: Pick<Recorded, 'wrote'>): readonly unknown[] {
  return Object.entries(wrote).map(([path, text]) => {
    const [node = '', service = ''] = path.split('/').reverse()
    return readDocument(service, node, text).instance
  })
}

describe('we read', () => {
  test('Kratos: address, protocol, TLS, version, metadata, ports', () => {
    const same = { service: 'kratos', version: '1.2.0', metadata: { team: 'a' }, weight: 1 }
    expect(read(kratos)).toMatchObject([
      { ...same, id: 'plain', address: '10.2.0.1', port: 8_080, protocol: 'http', ports: { http: 8_080 } },
      { ...same, id: 'rpc', address: '10.2.0.3', port: 9_000, protocol: 'grpc', ports: { grpc: 9_000 } },
      { ...same, id: 'rpc-tls', address: '10.2.0.4', port: 9_000, protocol: 'grpcs', ports: { grpcs: 9_000 } },
      { ...same, id: 'several', address: '10.2.0.5', port: 8_080, protocol: 'http', ports: { http: 8_080, grpc: 9_000 } },
      { ...same, id: 'tls', address: '10.2.0.2', port: 8_443, protocol: 'https', ports: { https: 8_443 } },
    ])
  })

  test('Spring Cloud: address, TLS, version, metadata, status', () => {
    const metadata = { version: '1.2.0', team: 'a', instance_status: 'UP' }
    const same = { service: 'spring', version: '1.2.0', metadata, health: { status: 'healthy' }, weight: 1 }
    expect(read(spring)).toMatchObject([
      { ...same, id: 'plain', address: '10.5.0.1', port: 38_082, protocol: 'http' },
      { ...same, id: 'tls', address: '10.5.0.2', port: 38_443, protocol: 'https' },
    ])
  })

  test('an instance that is DOWN or OUT_OF_SERVICE in Spring Cloud is draining', () => {
    expect(read({ wrote: spring.wroteAway ?? {} })).toMatchObject([
      { id: 'down', health: { status: 'draining' } },
      { id: 'out', health: { status: 'draining' } },
    ])
  })

  test('Curator: address, TLS, version, metadata; it does not write disabled instances', () => {
    const same = { version: '1.2.0', metadata: { version: '1.2.0', team: 'a' }, health: { status: 'healthy' } }
    expect(read(curator)).toMatchObject([
      { ...same, id: 'off', address: '10.4.0.3', port: 8_080, protocol: 'http' },
      { ...same, id: 'plain', address: '10.4.0.1', port: 8_080, protocol: 'http' },
      { ...same, id: 'tls', address: '10.4.0.2', port: 8_443, protocol: 'https' },
    ])
  })

  test('Dubbo by interface: address, protocol, version, weight, metadata; as an application: no version, no weight', () => {
    expect(read(dubbo)).toMatchObject([
      {
        ...{ address: '10.6.0.1', port: 28_881, protocol: 'tri', version: '1.2.0', weight: 250 },
        metadata: { application: 'dubbo', team: 'a' },
      },
      { service: 'dubbo', address: '10.6.0.1', port: 28_881, protocol: 'tri', ports: { tri: 28_881 }, weight: 1 },
    ])
    expect(read(dubbo)[1]).not.toHaveProperty('version')
  })

  test('Dubbo has TLS in the metadata by interface only; it removes offline providers', () => {
    const [byInterface, application] = read({ wrote: dubbo.wroteWithTls })
    expect(byInterface).toMatchObject({ address: '10.6.0.2', protocol: 'tri', metadata: { 'ssl-enabled': 'true' } })
    expect(application).toMatchObject({ address: '10.6.0.2', protocol: 'tri' })
    expect(JSON.stringify(application)).not.toContain('ssl')
    expect(dubbo.wroteOffline).toEqual({})
  })
})

describe('of our instances', () => {
  test('Kratos read address, protocol, TLS, version, metadata and ports, also of draining instances', () => {
    const same = { name: 'ours', version: '1.2.0', metadata: { team: 'a' } }
    expect(kratos.saw).toEqual([
      { ...same, id: 'plain', endpoints: ['http://10.1.0.1:8080'] },
      { ...same, id: 'tls', endpoints: ['https://10.1.0.2:8443'] },
      { ...same, id: 'rpc', endpoints: ['grpc://10.1.0.3:9000'] },
      { ...same, id: 'rpc-tls', endpoints: ['grpcs://10.1.0.4:9000'] },
      { ...same, id: 'several', endpoints: ['grpc://10.1.0.5:9000', 'http://10.1.0.5:8080'] },
      { ...same, id: 'draining', endpoints: ['http://10.1.0.6:8080'] },
    ])
  })

  test('Spring Cloud and Curator read address and port, and nothing else', () => {
    const places = ours.specs.map(({ id, address, port }) => ({ id, address, port }))
    expect(spring.saw).toEqual(
      places.map(({ id, address, port }) => ({ id, host: address, port, secure: false, uri: '', metadata: {} })),
    )
    expect(curator.saw).toEqual(places.map((place) => ({ ...place, sslPort: null, payload: null, enabled: true })))
  })

  test('Dubbo read nothing by interface, and failed on our document as an application, also next to its own provider', () => {
    expect(dubbo.sawByInterface).toEqual([expect.stringMatching(/^empty:/)])
    expect(dubbo.sawAsApplication).toContain('NullPointerException')
    expect(dubbo.sawAsApplicationBesideItsOwn).toContain('NullPointerException')
  })
})

const zookeeper = await obtainServer('zookeeper', { own: true })

test.runIf(zookeeper)(
  'the recorded data is still what we write, and that of other tools is found on a server',
  { timeout: 60_000 },
  async () => {
    if (!zookeeper) return
    const server = await startZooKeeper(zookeeper)
    const tool = await connectOtherTool(server.port)
    const open = (prefix: string) => createZooKeeperRegistry({ servers: [`127.0.0.1:${server.port}`], prefix })
    const [registry, springs] = [open('/microservices'), open('/services')]
    try {
      const written: Record<string, unknown> = {}
      for (const spec of ours.specs) {
        await registry.register(spec)
        const path = `/microservices/ours/${spec.id}`
        const { createdAt: _, updatedAt: __, incarnation: ___, ...document } = JSON.parse(await tool.read(path)) as Document
        written[path] = { ...document, health: { status: document.health.status } }
      }
      expect(written).toEqual(ours.written)
      for (const { wrote } of [kratos, spring, dubbo])
        for (const [path, text] of Object.entries(wrote)) await tool.put(path, text)
      const protocols = async (from: typeof registry, service: string): Promise<readonly string[]> =>
        (await from.getInstances(service)).instances.map(({ protocol }) => protocol)
      expect(await protocols(registry, 'kratos')).toEqual(['http', 'grpc', 'grpcs', 'http', 'https'])
      expect(await protocols(springs, 'spring')).toEqual(['http', 'https'])
      expect(await protocols(springs, 'dubbo')).toEqual(['tri'])
    } finally {
      await Promise.all([registry.close(), springs.close()])
      tool.close()
      await server.close()
    }
  },
)

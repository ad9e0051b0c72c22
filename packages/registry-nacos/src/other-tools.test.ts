import { readFileSync } from 'node:fs'
import { createServiceInstance, type InstanceSpec } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { decodeInstance, encodeInstance } from './instance-codec.ts'

// Data that other tools wrote on an official Nacos, byte for byte, and what they read of our instances. The table in
// docs/guides/migrating-between-backends.md describes it, and CONTRIBUTING.md how to record it again.

interface Recorded {
  /** Lists of Nacos, by service. */
  readonly wrote: Readonly<Record<string, readonly object[]>>
  readonly saw: readonly object[]
  /** Addresses that the tool selected among its healthy instances in 2,000 calls. */
  readonly selected?: readonly string[]
}

interface RecordedSpring extends Recorded {
  /** After `setStatus('DOWN')`: the instances that Nacos lists and stores. */
  readonly disabled: { readonly listed: readonly object[]; readonly held: readonly object[] }
}

interface RecordedDubbo extends Pick<Recorded, 'wrote'> {
  readonly wroteWithTls: Recorded['wrote']
  /** After QoS' `offline` and `offlineApp`. */
  readonly wroteOffline: Recorded['wrote']
  /** Notifications of a subscriber, for a service that Dubbo calls like its own. */
  readonly sawByInterface: readonly { readonly url: string; readonly parameters: Readonly<Record<string, string>> }[]
  /** Result of a call. */
  readonly calledByInterface: string
  readonly sawAsApplication: readonly { readonly address: string; readonly metadata: Readonly<Record<string, string>> }[]
  /** Result of a call. */
  readonly calledAsApplication: string
  /** Results of calls to a Dubbo provider, before and after our instances were registered under the same name. */
  readonly calledWithOwnProvider: {
    readonly alone: { readonly byInterface: string; readonly asApplication: string }
    readonly besideOurs: { readonly byInterface: string; readonly reason: string; readonly asApplication: string }
  }
}

/** Without times. */
interface Written {
  readonly metadata: Readonly<Record<string, string>>
}

function load<T = Recorded>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./testing/recorded-${name}.json`, import.meta.url), 'utf8')) as T
}

const ours = load<{ readonly specs: readonly InstanceSpec[]; readonly written: Readonly<Record<string, Written>> }>('ours')
const [kratos, client] = [load('kratos'), load('nacos-client')]
const [spring, dubbo] = [load<RecordedSpring>('spring'), load<RecordedDubbo>('dubbo')]

function read({ wrote }: Pick<Recorded, 'wrote'>): readonly unknown[] {
  const found = Object.entries(wrote).flatMap(([service, hosts]) => hosts.map((host) => decodeInstance(service, host)))
  return found.sort((one, other) => (`${one.address}:${one.port}` < `${other.address}:${other.port}` ? -1 : 1))
}

describe('we read', () => {
  test('nacos-client: address, protocol, TLS, version, weight, metadata, weight 0; a disabled instance is not listed', () => {
    const same = { version: '1.2.0', metadata: { team: 'a' }, health: { status: 'healthy' } }
    expect(read(client)).toMatchObject([
      { ...same, address: '10.3.0.1', port: 8_080, protocol: 'http', weight: 5 },
      { ...same, address: '10.3.0.2', port: 8_443, protocol: 'https', weight: 2.5 },
      { ...same, address: '10.3.0.3', port: 9_000, protocol: 'grpc', weight: 1 },
      { ...same, address: '10.3.0.4', port: 8_080, protocol: 'http', weight: 0 },
    ])
  })

  test('Spring Cloud Alibaba: address, TLS, version, weight, metadata', () => {
    const same = { version: '1.2.0', metadata: { team: 'a' }, weight: 2.5 }
    expect(read(spring)).toMatchObject([
      { ...same, address: '10.5.0.1', port: 18_084, protocol: 'http' },
      { ...same, address: '10.5.0.2', port: 38_085, protocol: 'https' },
    ])
  })

  test('Spring Cloud Alibaba with the status DOWN is disabled, which Nacos does not list', () => {
    expect(spring.disabled.listed).toEqual([])
    expect(read({ wrote: { spring: spring.disabled.held } })).toMatchObject([
      { address: '10.5.0.3', health: { status: 'draining' }, weight: 2.5 },
    ])
  })

  test('Kratos: address, protocol, version, weight, metadata, and a service for each kind', () => {
    const same = { version: '1.2.0', metadata: { team: 'a' }, weight: 2.5 }
    expect(read(kratos)).toMatchObject([
      { ...same, service: 'kratos.https', address: '10.2.0.2', port: 8_443, protocol: 'https' },
      { ...same, service: 'kratos.http', address: '10.2.0.5', port: 8_080, protocol: 'http' },
      { ...same, service: 'kratos.grpc', address: '10.2.0.5', port: 9_000, protocol: 'grpc' },
    ])
  })

  test('Dubbo by interface: address, protocol, version, weight, metadata; as an application: no version, no weight', () => {
    const found = read(dubbo)
    const place = { address: '10.6.0.1', port: 21_881, protocol: 'tri' }
    const byInterface = { ...place, version: '1.2.0', weight: 250, metadata: { team: 'a', application: 'dubbo' } }
    expect(found).toHaveLength(2)
    expect(found).toContainEqual(
      expect.objectContaining({ ...byInterface, metadata: expect.objectContaining(byInterface.metadata) }),
    )
    const application = found.find((one) => (one as { readonly service: string }).service === 'dubbo')
    expect(application).toMatchObject({ ...place, ports: { tri: 21_881 }, weight: 1 })
    expect(application).not.toHaveProperty('version')
  })

  test('Dubbo has TLS in the metadata by interface only; it removes offline providers', () => {
    const [byInterface] = read({ wrote: { orders: dubbo.wroteWithTls['providers:probe.D___Hello:1.2.0:'] ?? [] } })
    const [application] = read({ wrote: { dubbo: dubbo.wroteWithTls['dubbo'] ?? [] } })
    expect(byInterface).toMatchObject({ address: '10.6.0.2', protocol: 'tri', metadata: { 'ssl-enabled': 'true' } })
    expect(application).toMatchObject({ address: '10.6.0.2', protocol: 'tri' })
    expect(JSON.stringify(application)).not.toContain('ssl')
    expect(Object.values(dubbo.wroteOffline)).toEqual([[], []])
  })

  test('a weight that an operator set in Nacos takes precedence over that of Dubbo', () => {
    const [host] = dubbo.wrote['providers:probe.D___Hello:1.2.0:'] ?? []
    expect(decodeInstance('orders', { ...host, weight: 0 }).weight).toBe(0)
  })
})

describe('of our instances', () => {
  test('nacos-client read address, protocol, TLS, version, weight and metadata, and selected no draining instance', () => {
    const metadata = { version: '1.2.0', team: 'a' }
    const same = { healthy: true, enabled: true, weight: 5 }
    expect(client.saw).toMatchObject([
      { ...same, ip: '10.1.0.1', port: 8_080, metadata: { ...metadata, kind: 'http' } },
      { ...same, ip: '10.1.0.2', port: 8_443, weight: 2.5, metadata: { ...metadata, kind: 'https', secure: 'true' } },
      { ...same, ip: '10.1.0.3', port: 9_000, metadata: { ...metadata, kind: 'grpc' } },
      { ...same, ip: '10.1.0.4', port: 9_000, metadata: { ...metadata, kind: 'grpcs', secure: 'true' } },
      { ...same, ip: '10.1.0.5', port: 8_080, metadata: { ...metadata, kind: 'http' } },
      { ...same, ip: '10.1.0.6', port: 8_080, weight: 0, metadata: { ...metadata, kind: 'http' } },
    ])
    expect(client.selected).toEqual(['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.5'])
  })

  test('Spring Cloud Alibaba read address, TLS, version, weight and metadata, but gRPC as HTTP, and no draining instance', () => {
    const metadata = { version: '1.2.0', team: 'a', 'nacos.weight': '5.0' }
    expect(spring.saw).toMatchObject([
      { uri: 'http://10.1.0.1:8080', secure: false, metadata },
      { uri: 'https://10.1.0.2:8443', secure: true, metadata: { ...metadata, 'nacos.weight': '2.5' } },
      { uri: 'http://10.1.0.3:9000', secure: false, metadata },
      { uri: 'https://10.1.0.4:9000', secure: true, metadata },
      { uri: 'http://10.1.0.5:8080', secure: false, metadata },
    ])
  })

  test('Kratos read address, protocol, TLS, version, weight as an integer and metadata, and no draining instance', () => {
    const metadata = { team: 'a', weight: '5' }
    expect(kratos.saw).toMatchObject([
      { endpoints: ['http://10.1.0.1:8080'], version: '1.2.0', metadata },
      { endpoints: ['https://10.1.0.2:8443'], version: '1.2.0', metadata: { ...metadata, weight: '3' } },
      { endpoints: ['grpc://10.1.0.3:9000'], version: '1.2.0', metadata },
      { endpoints: ['grpcs://10.1.0.4:9000'], version: '1.2.0', metadata },
      { endpoints: ['http://10.1.0.5:8080'], version: '1.2.0', metadata },
    ])
  })

  test('Dubbo read address, port, version and metadata, but neither protocol nor revision, and called none', () => {
    const places = ours.specs.map(({ address, port }) => `${address}:${port}`)
    expect(dubbo.sawByInterface.map(({ url }) => url)).toEqual(places.map((place) => `${place}/ours`))
    expect(dubbo.sawAsApplication.map(({ address }) => address)).toEqual(places.slice(0, -1))
    for (const one of dubbo.sawByInterface) expect(one.parameters).toMatchObject({ version: '1.2.0', team: 'a' })
    for (const one of dubbo.sawAsApplication) expect(one.metadata).toMatchObject({ version: '1.2.0', team: 'a' })
    expect(dubbo.calledByInterface).toMatch(/No provider available.*invokers: 0/)
    expect(dubbo.calledAsApplication).toMatch(/No provider available.*invokers: 0/)
  })

  test('next to ours, Dubbo lost its own provider by interface, because of the missing protocol; as an application it did not', () => {
    const { alone, besideOurs } = dubbo.calledWithOwnProvider
    expect(alone).toEqual({ byInterface: 'ANSWER x', asApplication: 'ANSWER x' })
    expect(besideOurs.byInterface).toMatch(/No provider available.*invokers: 0/)
    expect(besideOurs).toMatchObject({
      reason: 'java.lang.IllegalArgumentException: Extension name == null',
      asApplication: 'ANSWER x',
    })
    for (const { metadata } of Object.values(ours.written)) expect(metadata).not.toHaveProperty('protocol')
  })

  test('the recorded data is still what we write', () => {
    const written = ours.specs.map((spec) => {
      const encoded = encodeInstance(createServiceInstance({ ttlMs: 15_000, ...spec }), { cluster: 'DEFAULT', persistent: false })
      const { 'sd.createdAt': _, 'sd.updatedAt': __, ...metadata } = encoded.metadata
      return [spec.id, { ...encoded, metadata }]
    })
    expect(Object.fromEntries(written)).toEqual(ours.written)
  })

  test('the recorded data of ours is decoded completely', () => {
    for (const { health = 'healthy', ...spec } of ours.specs) {
      const written = ours.written[String(spec.id)]
      const instance = decodeInstance('ours', { ...written, metadata: { ...written?.metadata, 'sd.createdAt': '1000' } })
      expect(instance).toMatchObject({ ...spec, health: { status: health } })
      expect(instance.metadata).toEqual(spec.metadata)
    }
  })
})

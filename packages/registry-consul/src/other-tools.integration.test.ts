import { readFileSync } from 'node:fs'
import type { InstanceSpec } from '@sd/core'
import { obtainServer, startConsul } from '@sd/test-servers'
import { describe, expect, test } from 'vitest'
import { type Entry, readEntry } from './entries.ts'
import { createConsulRegistry } from './index.ts'

// Data that other tools wrote, byte for byte, and what they read of our instances. The table in
// docs/guides/migrating-between-backends.md describes it, and CONTRIBUTING.md how to record it again.

interface Ours {
  readonly specs: readonly InstanceSpec[]
  readonly written: Readonly<Record<string, object>>
}

interface Recorded {
  readonly wrote: readonly Entry[]
  /** Instances without traffic: out of service, with a failing check, without heartbeats. */
  readonly wroteAway: readonly Entry[]
  readonly saw: readonly object[]
  /** Ids. */
  readonly sawWithQueryPassing?: readonly string[]
}

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./testing/recorded-${name}.json`, import.meta.url), 'utf8')) as T
}

const ours = load<Ours>('ours')
const kratos = load<Recorded>('kratos')
const spring = load<Recorded>('spring')

const readAll = (entries: readonly Entry[]): readonly unknown[] => {
  return entries.map((one) => readEntry(one, one.Service.Service, new Set()))
}
const read = ({ wrote }: Recorded): readonly unknown[] => readAll(wrote)

describe('we read', () => {
  test('Kratos: address, protocol, TLS, version, metadata, ports', () => {
    const same = { version: '1.2.0', metadata: { team: 'a' }, health: { status: 'healthy' }, weight: 1 }
    expect(read(kratos)).toMatchObject([
      { ...same, id: 'plain', address: '10.2.0.1', port: 8_080, protocol: 'http', ports: { http: 8_080 } },
      { ...same, id: 'rpc', address: '10.2.0.3', port: 9_000, protocol: 'grpc', ports: { grpc: 9_000 } },
      { ...same, id: 'rpc-tls', address: '10.2.0.4', port: 9_000, protocol: 'grpcs', ports: { grpcs: 9_000 } },
      { ...same, id: 'several', address: '10.2.0.5', port: 8_080, protocol: 'http', ports: { http: 8_080, grpc: 9_000 } },
      { ...same, id: 'tls', address: '10.2.0.2', port: 8_443, protocol: 'https', ports: { https: 8_443 } },
    ])
  })

  test('Spring Cloud: address, TLS, version, zone, metadata', () => {
    const same = { version: '1.2.0', locality: { zone: 'z1' }, weight: 1 }
    const metadata = { team: 'a', version: '1.2.0', zone: 'z1' }
    expect(read(spring)).toMatchObject([
      { ...same, address: '10.5.0.1', port: 18_080, protocol: 'http', metadata: { ...metadata, secure: 'false' } },
      { ...same, address: '10.5.0.2', port: 18_081, protocol: 'https', metadata: { ...metadata, secure: 'true' } },
    ])
  })

  test('an instance that is out of service in Spring Cloud is draining; one with a failing check, and of Kratos without heartbeats, is unhealthy', () => {
    expect(readAll(spring.wroteAway)).toMatchObject([
      { id: 'spring-failing', health: { status: 'unhealthy' } },
      { id: 'spring-out', health: { status: 'draining' } },
    ])
    expect(readAll(kratos.wroteAway)).toMatchObject([{ id: 'plain', health: { status: 'unhealthy' } }])
  })
})

describe('of our instances', () => {
  test('Kratos read protocol, TLS, version, metadata and ports, and no draining instance', () => {
    const same = { version: '1.2.0', metadata: { team: 'a' } }
    expect(kratos.saw).toMatchObject([
      { ...same, id: 'ours:plain', endpoints: ['http://10.1.0.1:8080'] },
      { ...same, id: 'ours:tls', endpoints: ['https://10.1.0.2:8443'] },
      { ...same, id: 'ours:rpc', endpoints: ['grpc://10.1.0.3:9000'] },
      { ...same, id: 'ours:rpc-tls', endpoints: ['grpcs://10.1.0.4:9000'] },
      { ...same, id: 'ours:several', endpoints: ['grpc://10.1.0.5:9000', 'http://10.1.0.5:8080'] },
    ])
  })

  test('Spring Cloud read address, TLS, version and metadata, but gRPC as HTTP; draining ones are left out with query-passing only', () => {
    const same = { metadata: { team: 'a', version: '1.2.0' } }
    expect(spring.saw).toMatchObject([
      { ...same, id: 'ours:plain', secure: false, uri: 'http://10.1.0.1:8080' },
      { ...same, id: 'ours:tls', secure: true, uri: 'https://10.1.0.2:8443' },
      { ...same, id: 'ours:rpc', secure: false, uri: 'http://10.1.0.3:9000' },
      { ...same, id: 'ours:rpc-tls', secure: true, uri: 'https://10.1.0.4:9000' },
      { ...same, id: 'ours:several', secure: false, uri: 'http://10.1.0.5:8080' },
      { ...same, id: 'ours:draining', secure: false, uri: 'http://10.1.0.6:8080' },
    ])
    expect(spring.sawWithQueryPassing).toHaveLength(5)
    expect(spring.sawWithQueryPassing).not.toContain('ours:draining')
  })
})

const consul = await obtainServer('consul', { own: true })

test.runIf(consul)('the recorded data is still what we write', { timeout: 60_000 }, async () => {
  if (!consul) return
  const server = await startConsul(consul)
  const registry = createConsulRegistry({ servers: [`127.0.0.1:${server.port}`] })
  try {
    for (const spec of ours.specs) await registry.register(spec)
    const entries = (await server.call('GET', '/v1/health/service/ours')) as readonly Entry[]
    const written = entries.map(({ Service, Checks }) => {
      const { ID, Service: name, Tags, Address, Port, Meta, TaggedAddresses, Weights } = Service
      const heartbeat = Checks.find(({ Name }) => Name === 'heartbeat')?.Status
      return [ID.split(':')[1], { ID, Service: name, Tags, Address, Port, Meta, TaggedAddresses, Weights, heartbeat }] as const
    })
    expect(Object.fromEntries(written)).toEqual(ours.written)
  } finally {
    await registry.close()
    await server.close()
  }
})

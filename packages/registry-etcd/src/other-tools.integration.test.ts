import { readFileSync } from 'node:fs'
import type { InstanceSpec } from '@sd/core'
import { obtainServer, startEtcd } from '@sd/test-servers'
import { Etcd3 } from 'etcd3'
import { describe, expect, test } from 'vitest'
import { readDocument } from './documents.ts'
import { createEtcdRegistry } from './index.ts'

// Data that Kratos wrote, byte for byte, and what it read of our instances. The table in
// docs/guides/migrating-between-backends.md describes it, and CONTRIBUTING.md how to record it again.

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./testing/recorded-${name}.json`, import.meta.url), 'utf8')) as T
}

const ours = load<{ readonly specs: readonly InstanceSpec[]; readonly written: Readonly<Record<string, object>> }>('ours')
const kratos = load<{ readonly wrote: Readonly<Record<string, string>>; readonly saw: readonly object[] }>('kratos')
const prefix = '/microservices'

describe('Kratos', () => {
  test('we read its address, protocol, TLS, version, metadata, ports', () => {
    const found = Object.entries(kratos.wrote).map(([key, text]) => {
      const [service = '', id = ''] = key.slice(prefix.length + 1).split('/')
      return readDocument(text, { service, id }).instance
    })
    const same = { service: 'kratos', version: '1.2.0', metadata: { team: 'a' }, weight: 1 }
    expect(found).toMatchObject([
      { ...same, id: 'plain', address: '10.2.0.1', port: 8_080, protocol: 'http', ports: { http: 8_080 } },
      { ...same, id: 'rpc', address: '10.2.0.3', port: 9_000, protocol: 'grpc', ports: { grpc: 9_000 } },
      { ...same, id: 'rpc-tls', address: '10.2.0.4', port: 9_000, protocol: 'grpcs', ports: { grpcs: 9_000 } },
      { ...same, id: 'several', address: '10.2.0.5', port: 8_080, protocol: 'http', ports: { http: 8_080, grpc: 9_000 } },
      { ...same, id: 'tls', address: '10.2.0.2', port: 8_443, protocol: 'https', ports: { https: 8_443 } },
    ])
  })

  test('read address, protocol, TLS, version, metadata and ports, also of draining instances', () => {
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
})

const etcd = await obtainServer('etcd', { own: true })

test.runIf(etcd)('the recorded data is still what we write, and its own is found on a server', { timeout: 60_000 }, async () => {
  if (!etcd) return
  const server = await startEtcd(etcd)
  const client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
  const registry = createEtcdRegistry({ servers: [`127.0.0.1:${server.port}`], prefix })
  try {
    for (const spec of ours.specs) await registry.register(spec)
    const written = Object.entries(await client.getAll().prefix(`${prefix}/ours/`).strings()).map(([key, text]) => {
      const { createdAt: _, updatedAt: __, incarnation: ___, ...document } = JSON.parse(text) as Record<string, unknown>
      const { status } = document['health'] as { readonly status: string }
      return [key, { ...document, health: { status } }] as const
    })
    expect(Object.fromEntries(written)).toEqual(ours.written)
    for (const [key, text] of Object.entries(kratos.wrote)) await client.put(key).value(text)
    const { instances } = await registry.getInstances('kratos')
    expect(instances.map(({ id, protocol }) => `${id} ${protocol}`)).toEqual([
      'plain http',
      'rpc grpc',
      'rpc-tls grpcs',
      'several http',
      'tls https',
    ])
  } finally {
    await registry.close()
    client.close()
    await server.close()
  }
})

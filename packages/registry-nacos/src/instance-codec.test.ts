import { createServiceInstance, type InstanceSpec, type ServiceInstance } from '@sd/core'
import { fullSpec, hostileMetadata } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { decodeInstance, encodeInstance, readPlace } from './instance-codec.ts'

const options = { cluster: 'DEFAULT', persistent: false }
const plain: InstanceSpec = { service: 'orders', address: '10.0.0.1', port: 80, ttlMs: 15_000 }
const at = { createdAt: 1_000, updatedAt: 2_000 }

/** Decodes an instance of which the server changed the given fields. */
function roundTrip(spec: InstanceSpec, changed: object = {}): ServiceInstance {
  const encoded = encodeInstance(createServiceInstance(spec, at), options)
  return decodeInstance(spec.service, JSON.parse(JSON.stringify({ ...encoded, ...changed })))
}

describe('our instances', () => {
  test.each<InstanceSpec>([
    plain,
    { ...fullSpec, ttlMs: 900 },
    { ...plain, metadata: hostileMetadata, tags: ['a,b', '"'], protocol: 'grpc', version: 'v 1' },
    { ...plain, metadata: { version: 'mine', secure: 'maybe' }, protocol: 'https', version: '2' },
    { ...plain, metadata: { version: 'mine', secure: 'true' } },
    { ...plain, metadata: { kind: 'http' } },
    { ...plain, metadata: { kind: 'a kind of mine' }, protocol: 'grpc' },
    { ...plain, protocol: 'https', version: '1' },
    { ...plain, protocol: 'grpcs' },
    { ...plain, protocol: 'grpcs', metadata: { secure: 'true' } },
    { ...plain, weight: 65_535, priority: 9 },
    { ...plain, weight: 0 },
    { ...plain, weight: 1 / 3, health: 'unknown' },
    { ...plain, weight: 3, health: { status: 'draining', message: 'bye', details: { disk: 'full' } } },
    { ...plain, weight: 3, health: 'unhealthy' },
  ])('are decoded as they were encoded: %j', (spec) => {
    const instance = createServiceInstance(spec, at)
    const found = roundTrip(spec)
    expect({ ...found, health: { ...found.health, checkedAt: 0 } }).toEqual({
      ...instance,
      health: { ...instance.health, checkedAt: 0 },
    })
  })

  test('contain what Nacos and its other clients read', () => {
    const spec = { ...plain, protocol: 'https', version: '1', weight: 20_000, metadata: { team: 'a' } }
    expect(encodeInstance(createServiceInstance(spec, at), { cluster: 'c1', persistent: false })).toEqual({
      ip: '10.0.0.1',
      port: 80,
      weight: 10_000,
      healthy: true,
      enabled: true,
      ephemeral: true,
      clusterName: 'c1',
      metadata: {
        team: 'a',
        version: '1',
        secure: 'true',
        kind: 'https',
        'preserved.heart.beat.interval': '5000',
        'preserved.heart.beat.timeout': '15000',
        'preserved.ip.delete.timeout': '30000',
        'sd.id': '10.0.0.1:80',
        'sd.createdAt': '1000',
        'sd.updatedAt': '2000',
        'sd.weight': '20000',
      },
    })
    const persistent = encodeInstance(createServiceInstance(plain, at), { cluster: 'c1', persistent: true })
    expect([persistent.ephemeral, persistent.metadata['preserved.heart.beat.timeout']]).toEqual([false, undefined])
    expect(encodeInstance(createServiceInstance({ ...plain, health: 'draining' }), options).weight).toBe(0)
  })

  test('adopt changes by an operator or the server', () => {
    const draining: InstanceSpec = { ...plain, weight: 3, health: 'draining' }
    expect(roundTrip(draining, { weight: 7 }).weight).toBe(7)
    expect(roundTrip(plain, { weight: 0 }).weight).toBe(0)
    expect(roundTrip(plain, { enabled: false }).health.status).toBe('draining')
    expect(roundTrip(draining, { healthy: false }).health.status).toBe('unhealthy')
  })

  test('do not set the metadata that ttlMs sets', () => {
    const spec = { ...plain, metadata: { 'preserved.heart.beat.timeout': '1' } }
    expect(() => encodeInstance(createServiceInstance(spec), options)).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field: 'metadata["preserved.heart.beat.timeout"]' }),
    )
  })
})

describe('instances of other tools', () => {
  const host = { ip: '10.0.0.9', port: 443 }

  test.each([
    [host, { id: '10.0.0.9:443', protocol: 'http', weight: 1 }],
    [{ ...host, instanceId: '10.0.0.9#443#DEFAULT#g@@orders' }, { id: '10.0.0.9#443#DEFAULT#g@@orders' }],
    [
      { ...host, metadata: { secure: 'true', version: '2' } },
      { protocol: 'https', version: '2' },
    ],
    [{ ...host, metadata: { secure: 'true', protocol: 'grpc' } }, { protocol: 'grpcs' }],
    [{ ...host, metadata: { protocol: 'TRI', version: ' padded ' } }, { protocol: 'tri' }],
    [{ ...host, metadata: { kind: 'not a protocol' } }, { protocol: 'http' }],
    // Dubbo 3.2.16, registered as an application.
    [
      {
        ...host,
        port: 20_881,
        metadata: { 'dubbo.endpoints': '[{"port":20881,"protocol":"tri"}]', 'dubbo.metadata.revision': '7a' },
      },
      { protocol: 'tri', port: 20_881, ports: { tri: 20_881 } },
    ],
    [{ ...host, metadata: { 'dubbo.endpoints': '[{"port":1,"protocol":"tri"}]' } }, { protocol: 'http' }],
    [{ ...host, metadata: { 'dubbo.endpoints': '{' } }, { protocol: 'http' }],
    [{ ...host, weight: 1e30 }, { weight: 65_535 }],
    [{ ...host, weight: -1 }, { weight: 1 }],
    [{ ...host, metadata: null, enabled: false }, { health: expect.objectContaining({ status: 'draining' }) }],
    [{ ...host, healthy: false }, { health: expect.objectContaining({ status: 'unhealthy' }) }],
  ])('are read: %j', (given, expected) => {
    expect(decodeInstance('orders', given)).toMatchObject(expected)
  })

  test('keep their metadata, except non-strings and keys with our prefix', () => {
    const { metadata } = decodeInstance('orders', { ...host, metadata: { a: '1', b: 2, 'sd.tags': 'x', __proto__: null } })
    expect({ ...metadata }).toEqual({ a: '1' })
  })

  test.each([
    null,
    'text',
    {},
    { ip: 1, port: 80 },
    { ip: 'no address', port: 80 },
    { ip: '10.0.0.1', port: 0 },
    { ...host, metadata: { 'sd.id': 'x', 'sd.tags': '{' } },
    { ...host, metadata: { 'sd.id': 'x', 'sd.health': '"?"' } },
  ])('that are invalid are malformed: %j', (given) => {
    expect(() => decodeInstance('orders', given)).toThrow(expect.objectContaining({ code: 'SD_MALFORMED' }))
  })

  test('have a place if they have an address', () => {
    expect(readPlace({ ...host, clusterName: '', ephemeral: false })).toEqual({
      id: '10.0.0.9:443',
      ...host,
      clusterName: 'DEFAULT',
      ephemeral: false,
    })
    expect(readPlace({ ...host, clusterName: 'c', metadata: { 'sd.id': 'x' } })).toMatchObject({ id: 'x', clusterName: 'c' })
    expect([readPlace(null), readPlace({ ip: 1 }), readPlace('')]).toEqual([undefined, undefined, undefined])
  })
})

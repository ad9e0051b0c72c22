import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createServiceInstance, sameInstance, updateServiceInstance } from './instance.ts'
import { instanceAtPort, isPortName, splitPortReference } from './ports-and-checks.ts'
import type { HealthCheckSpec, InstanceSpec } from './service-instance.ts'

const spec: InstanceSpec = { service: 'orders', address: '10.0.0.1', port: 8080 }
const many = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, index + 1]))

const portNames = fc.stringMatching(/^[a-z](?:[a-z0-9-]{0,10}[a-z0-9])?$/)
const portTables = fc.dictionary(portNames, fc.integer({ min: 1, max: 65_535 }), { maxKeys: 32 })
const checks: fc.Arbitrary<HealthCheckSpec> = fc.oneof(
  fc.record(
    {
      type: fc.constant('http' as const),
      path: fc.constantFrom('/', '/ready?a=b', '/%41'),
      intervalMs: fc.integer({ min: 100, max: 10_000 }),
    },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    { type: fc.constantFrom('tcp' as const, 'grpc' as const), timeoutMs: fc.integer({ min: 1, max: 10_000 }) },
    { requiredKeys: ['type'] },
  ),
)

describe('named ports', () => {
  test('are copied, frozen and safe to read by any name', () => {
    const ports = { admin: 9090 }
    const instance = createServiceInstance({ ...spec, ports })
    ports.admin = 1
    expect(instance.ports).toEqual({ admin: 9090 })
    expect(Object.isFrozen(instance.ports)).toBe(true)
    expect(instance.ports?.['constructor']).toBeUndefined()
    expect(createServiceInstance({ ...spec, ports: {} })).not.toHaveProperty('ports')
    expect(createServiceInstance({ ...spec, ports: many(32) }).ports).toEqual(many(32))
  })

  test.each(['admin', 'grpc-web', 'a', '0a', 'a--b', 'constructor', 'a'.repeat(63), `${'1'.repeat(62)}a`])(
    '%s is a name',
    (name) => {
      expect(isPortName(name)).toBe(true)
      expect(createServiceInstance({ ...spec, ports: { [name]: 1 } }).ports?.[name]).toBe(1)
    },
  )

  test.each(['', 'Admin', '8080', '-a', 'a-', 'a:b', 'a.b', 'a_b', 'ä', 'a\n', 'a'.repeat(64), `${'1'.repeat(63)}a`])(
    '%j is not',
    (name) => {
      expect(isPortName(name)).toBe(false)
      expect(() => createServiceInstance({ ...spec, ports: { [name]: 1 } })).toThrow(
        expect.objectContaining({ code: 'SD_INVALID', field: 'ports key' }),
      )
    },
  )

  test.each([
    ['ports', [1]],
    ['ports', null],
    ['ports', 'admin=1'],
    ['ports', many(33)],
    ['ports.admin', { admin: 0 }],
    ['ports.admin', { admin: 65_536 }],
    ['ports.admin', { admin: 1.5 }],
    ['ports.admin', { admin: '80' }],
  ])('invalid %s are rejected: %j', (field, ports) => {
    const refusal = expect.objectContaining({ code: 'SD_INVALID', field })
    expect(() => createServiceInstance({ ...spec, ports: ports as never })).toThrow(refusal)
    if (ports === null) return
    expect(() => updateServiceInstance(createServiceInstance(spec), { ports: ports as never })).toThrow(refusal)
  })
})

describe('service:port', () => {
  test.each([
    ['orders:admin', { service: 'orders', port: 'admin' }],
    ['a:b:c', { service: 'a:b', port: 'c' }],
    ...['orders', 'orders:', ':admin', 'orders:80', 'orders:Admin', 'providers:org.example.Orders:1.0:'].map(
      (name) => [name, undefined] as const,
    ),
  ] as const)('%s', (name, parts) => {
    expect(splitPortReference(name)).toEqual(parts)
  })

  test.each([
    ['admin', 'https'],
    ['grpc', 'grpc'],
    ['http-admin', 'http'],
    ['grpc-web', 'https'],
    ['grpcx', 'https'],
  ])('a port named %s of an https instance speaks %s', (port, protocol) => {
    const instance = createServiceInstance({ ...spec, protocol: 'https', ports: { [port]: 9 } })
    const atPort = instanceAtPort(instance, `orders:${port}`, port)
    expect(atPort).toEqual({ ...instance, service: `orders:${port}`, port: 9, protocol })
    expect(Object.isFrozen(atPort)).toBe(true)
    expect(instanceAtPort(instance, 'orders:constructor', 'constructor')).toBeUndefined()
    expect(instanceAtPort(createServiceInstance(spec), 'orders:x', 'x')).toBeUndefined()
  })
})

describe('a declared health check', () => {
  test.each([
    ['healthCheck', 'http'],
    ['healthCheck.type', {}],
    ['healthCheck.type', { type: 'udp' }],
    ['healthCheck.url', { type: 'http', url: '/' }],
    ['healthCheck.path', { type: 'http', path: 'ready' }],
    ['healthCheck.path', { type: 'http', path: '/a b' }],
    ['healthCheck.path', { type: 'http', path: '/a#b' }],
    ['healthCheck.path', { type: 'http', path: '/é' }],
    ['healthCheck.path', { type: 'http', path: `/${'a'.repeat(1_024)}` }],
    ['healthCheck.path', { type: 'tcp', path: '/' }],
    ['healthCheck.path', { type: 'grpc', path: '/' }],
    ['healthCheck.intervalMs', { type: 'tcp', intervalMs: 99 }],
    ['healthCheck.timeoutMs', { type: 'tcp', timeoutMs: 0 }],
    ['healthCheck.timeoutMs', { type: 'tcp', timeoutMs: 200, intervalMs: 100 }],
  ])('is rejected with the field %s: %j', (field, healthCheck) => {
    expect(() => createServiceInstance({ ...spec, healthCheck: healthCheck as never })).toThrow(
      expect.objectContaining({ code: 'SD_INVALID', field }),
    )
  })

  test('is copied and frozen', () => {
    const healthCheck = { type: 'http', path: '/ready' } as const
    const instance = createServiceInstance({ ...spec, healthCheck })
    expect(instance.healthCheck).toEqual(healthCheck)
    expect(instance.healthCheck).not.toBe(healthCheck)
    expect(Object.isFrozen(instance.healthCheck)).toBe(true)
  })
})

test('equality and updates respect both', () => {
  fc.assert(
    fc.property(portTables, checks, portTables, checks, (ports, healthCheck, otherPorts, otherCheck) => {
      const instance = createServiceInstance({ ...spec, ports, healthCheck })
      const updated = updateServiceInstance(instance, { ports: otherPorts, healthCheck: otherCheck })
      expect(updated).toEqual({
        ...createServiceInstance({ ...spec, ports: otherPorts, healthCheck: otherCheck }, instance),
        updatedAt: updated.updatedAt,
      })
      const isEqual = [
        [ports, otherPorts],
        [healthCheck, otherCheck],
      ].every(([one, other]) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other)))
      expect(sameInstance(instance, updated)).toBe(isEqual)
    }),
  )
})

test('an update without them keeps them, and null removes them', () => {
  const instance = createServiceInstance({ ...spec, ports: { admin: 1 }, healthCheck: { type: 'tcp' } })
  const kept = updateServiceInstance(instance, { weight: 2 })
  expect([kept.ports, kept.healthCheck]).toEqual([{ admin: 1 }, { type: 'tcp' }])
  const removed = updateServiceInstance(kept, { ports: null, healthCheck: null })
  expect(removed).not.toHaveProperty('ports')
  expect(removed).not.toHaveProperty('healthCheck')
  expect(sameInstance(kept, removed)).toBe(false)
  expect(sameInstance(removed, createServiceInstance({ ...spec, weight: 2 }))).toBe(true)
})

function sorted(value: object | undefined): readonly unknown[] {
  return Object.entries(value ?? {}).sort(([one], [other]) => (one < other ? -1 : 1))
}

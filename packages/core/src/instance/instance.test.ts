import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SdError } from '../errors.ts'
import { createServiceInstance, sameInstance, updateServiceInstance } from './instance.ts'
import type { InstanceSpec } from './service-instance.ts'

const spec: InstanceSpec = { service: 'orders', address: '10.0.0.1', port: 8080 }

describe('createServiceInstance', () => {
  test('fills in defaults and freezes everything', () => {
    const instance = createServiceInstance(spec, { createdAt: 5 })
    expect(instance).toEqual({
      ...spec,
      id: '10.0.0.1:8080',
      protocol: 'http',
      weight: 1,
      priority: 0,
      tags: [],
      metadata: {},
      health: { status: 'healthy', checkedAt: 5 },
      createdAt: 5,
      updatedAt: 5,
    })
    const parts = [instance, instance.tags, instance.metadata, instance.health]
    expect(parts.every(Object.isFrozen)).toBe(true)
  })

  test("keeps every given field, and no reference to the caller's objects", () => {
    const tags = ['a', 'b', 'a']
    const metadata = { team: 'x' }
    const health = { status: 'unhealthy', message: 'disk', checkedAt: 3, details: { disk: 'full' } } as const
    const full = createServiceInstance({
      ...spec,
      id: 'i',
      version: '1',
      weight: 0.5,
      priority: 2,
      tags,
      metadata,
      locality: { zone: 'z' },
      health,
      ttlMs: 100,
    })
    tags.push('c')
    metadata.team = 'y'
    expect(full).toMatchObject({
      id: 'i',
      version: '1',
      weight: 0.5,
      priority: 2,
      tags: ['a', 'b'],
      metadata: { team: 'x' },
      locality: { zone: 'z' },
      health,
      ttlMs: 100,
    })
  })

  test('keeps hostile metadata keys as plain data', () => {
    const metadata = Object.fromEntries([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
    const instance = createServiceInstance({ ...spec, metadata })
    expect(Object.entries(instance.metadata)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
    expect(createServiceInstance(spec).metadata['toString']).toBeUndefined()
    expect(({} as Record<string, unknown>)['a']).toBeUndefined()
  })

  test.each(['10.0.0.1', 'host', 'a.b-c.example.', '::1', 'fe80::1', '2001:db8::1', '_srv.host'])(
    '%s is an address',
    (address) => {
      expect(createServiceInstance({ ...spec, address }).address).toBe(address)
    },
  )

  test.each<[string, object]>([
    ['address', { address: 'http://x' }],
    ['address', { address: '' }],
    ['address', { address: '[::1]' }],
    ['address', { address: 'a b' }],
    ['address', { address: '1::2::3' }],
    ['address', { address: `${'a'.repeat(64)}.example` }],
    ['port', { port: 65_536 }],
    ['port', { port: '80' }],
    ['service', { service: undefined }],
    ['id', { id: '' }],
    ['protocol', { protocol: 'HTTP' }],
    ['version', { version: '' }],
    ['weight', { weight: -1 }],
    ['weight', { weight: Number.NaN }],
    ['priority', { priority: 0.5 }],
    ['tags', { tags: 'a' }],
    ['tags', { tags: Array.from({ length: 257 }, String) }],
    ['tags[1]', { tags: ['a', ''] }],
    ['metadata', { metadata: [] }],
    ['metadata["a"]', { metadata: { a: 1 } }],
    ['metadata["a"]', { metadata: { a: 'x'.repeat(65_537) } }],
    ['metadata["sd.weight"]', { metadata: { 'sd.weight': '1' } }],
    ['metadata key', { metadata: { '': 'x' } }],
    ['metadata', { metadata: Object.fromEntries(Array.from({ length: 257 }, (_, index) => [index, ''])) }],
    ['locality.region', { locality: { region: '' } }],
    ['locality.rack', { locality: { rack: 'r' } }],
    ['health.status', { health: 'sick' }],
    ['health.message', { health: { status: 'healthy', message: 'x'.repeat(1_025) } }],
    ['health.checkedAt', { health: { status: 'healthy', checkedAt: -1 } }],
    ['ttlMs', { ttlMs: 99 }],
    ['wieght', { wieght: 1 }],
  ])('an invalid %s is rejected', (field, change) => {
    expect(() => createServiceInstance({ ...spec, ...change })).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test('returns an instance or throws an SdError for any input', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            service: fc.anything(),
            address: fc.anything(),
            port: fc.anything(),
            tags: fc.anything(),
            metadata: fc.anything(),
            health: fc.anything(),
          },
          { requiredKeys: [] },
        ),
        (value) => {
          try {
            createServiceInstance(value as never)
          } catch (error) {
            expect(error instanceof SdError).toBe(true)
          }
        },
      ),
    )
  })
})

describe('updateServiceInstance', () => {
  const instance = createServiceInstance({ ...spec, version: '1', locality: { zone: 'z' }, tags: ['a'] }, { createdAt: 1 })

  test('changes given fields, removes null fields, and does not change the original', () => {
    const next = updateServiceInstance(
      instance,
      {
        weight: 0,
        version: null,
        locality: null,
        tags: [],
        metadata: { a: 'b' },
        protocol: 'grpc',
        priority: 9,
        health: 'draining',
      },
      7,
    )
    expect(next).toMatchObject({
      weight: 0,
      tags: [],
      metadata: { a: 'b' },
      protocol: 'grpc',
      priority: 9,
      health: { status: 'draining', checkedAt: 7 },
      createdAt: 1,
      updatedAt: 7,
    })
    expect(['version' in next, 'locality' in next]).toEqual([false, false])
    expect(instance).toMatchObject({ version: '1', locality: { zone: 'z' }, weight: 1, updatedAt: 1 })
    expect(updateServiceInstance(instance, {}, 7)).toEqual({ ...instance, updatedAt: 7 })
  })

  test("rejects fields that can't be changed, and invalid values", () => {
    expect(() => updateServiceInstance(instance, { id: 'x' } as never)).toThrow('Invalid id: unknown field')
    expect(() => updateServiceInstance(instance, { version: '' })).toThrow('Invalid version')
  })
})

describe('sameInstance', () => {
  const instance = createServiceInstance(
    { ...spec, tags: ['a'], metadata: { a: 'b' }, health: { status: 'healthy', details: { x: 'y' } } },
    { createdAt: 1 },
  )

  test('ignores timestamps', () => {
    const later = createServiceInstance(
      { ...spec, tags: ['a'], metadata: { a: 'b' }, health: { status: 'healthy', details: { x: 'y' } } },
      { createdAt: 9 },
    )
    expect(sameInstance(instance, later)).toBe(true)
  })

  test.each([
    { weight: 2 },
    { tags: ['b'] },
    { tags: [] },
    { metadata: { a: 'c' } },
    { metadata: {} },
    { metadata: { b: 'b' } },
    { version: '1' },
    { locality: { zone: 'z' } },
    { health: 'unknown' as const },
    { priority: 1 },
    { protocol: 'h2' },
  ])('%j is a difference', (change) => {
    expect(sameInstance(instance, updateServiceInstance(instance, change))).toBe(false)
  })
})

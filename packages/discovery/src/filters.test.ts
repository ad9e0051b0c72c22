import { createServiceInstance, type InstanceSpec, type ServiceInstance } from '@sd/core'
import { describe, expect, test } from 'vitest'
import { allOf, byHealth, byLocality, byMetadata, byTags, byVersion } from './index.ts'

function instance(spec: Partial<InstanceSpec> = {}): ServiceInstance {
  return createServiceInstance({ service: 'orders', address: '10.0.0.1', port: 80, ...spec })
}

describe('filters', () => {
  test('by version keep a semver range including pre-releases, but nothing without a version', () => {
    const filter = byVersion('^1.2.0')
    const kept = ['1.2.0', '1.9.3-rc.1', '1.1.9', '2.0.0', 'latest', undefined].map((version) =>
      filter(instance(version ? { version } : {})),
    )
    expect(kept).toEqual([true, true, false, false, false, false])
    expect(() => byVersion('not a range')).toThrow('Invalid range: got "not a range", want a semver range')
  })

  test('by tags and metadata require all of them', () => {
    const one = instance({ tags: ['a', 'b'], metadata: { team: 'x', zone: 'y' } })
    expect([byTags('a', 'b')(one), byTags('a', 'c')(one), byTags()(one)]).toEqual([true, false, true])
    expect([byMetadata({ team: 'x' })(one), byMetadata({ team: 'y' })(one), byMetadata({ constructor: 'x' })(one)]).toEqual([
      true,
      false,
      false,
    ])
    expect(() => byTags('')).toThrow('Invalid tags[0]')
  })

  test('by locality compare the given fields', () => {
    const one = instance({ locality: { region: 'r', zone: 'z', subZone: 's' } })
    expect([
      byLocality({ region: 'r' })(one),
      byLocality({ zone: 'z', subZone: 's' })(one),
      byLocality({ zone: 'x' })(one),
    ]).toEqual([true, true, false])
    expect([byLocality({})(instance()), byLocality({ region: 'r' })(instance())]).toEqual([true, false])
  })

  test('by health, and combined', () => {
    const filter = allOf(byHealth('healthy', 'unknown'), byTags('a'))
    expect([
      filter(instance({ tags: ['a'] })),
      filter(instance()),
      filter(instance({ tags: ['a'], health: 'draining' })),
    ]).toEqual([true, false, false])
    expect(() => byHealth('sick' as never)).toThrow('Invalid statuses[0]')
  })
})

import { expect, test } from 'vitest'
import { createZooKeeperRegistry, type ZooKeeperRegistryOptions } from './index.ts'
import { resolveZooKeeperRegistryOptions } from './options.ts'

test('defaults', () => {
  expect(resolveZooKeeperRegistryOptions({})).toMatchObject({
    root: '/sd/services',
    enabled: true,
    name: 'zookeeper',
    sessionTimeoutMs: 15_000,
  })
  expect(resolveZooKeeperRegistryOptions({ chroot: '/team', prefix: '/services' })).toMatchObject({
    chroot: '/team',
    root: '/team/services',
  })
})

const bad: readonly (readonly [string, object])[] = [
  ['prefix', { prefix: 'services' }],
  ['prefix', { prefix: '/' }],
  ['servers[0]', { servers: ['user:secret@zk.example'] }],
  ['credentials', { credentials: 'admin:secret' }],
  ['enabled', { enabled: 'yes' }],
  ['name', { name: '' }],
  ['servers', { tls: {} }],
  ['tls.ca', { servers: ['https://zk.example'], tls: { ca: 'x' } }],
  ['ttlMs', { ttlMs: 1_000 }],
]

test.each(bad)('the error for an invalid %s names it: %o', (field, options) => {
  expect(() => createZooKeeperRegistry(options as ZooKeeperRegistryOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field, message: expect.not.stringContaining('secret') }),
  )
})

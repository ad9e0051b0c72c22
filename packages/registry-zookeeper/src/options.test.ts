import { expect, test } from 'vitest'
import { createZooKeeperRegistry, type ZooKeeperRegistryOptions } from './index.ts'
import { readOptions } from './options.ts'

test('defaults', () => {
  expect(readOptions({})).toEqual({
    endpoints: [{ secure: false, host: '127.0.0.1', port: 2181 }],
    chroot: '',
    root: '/sd/services',
    sessionTimeoutMs: 15_000,
    credentials: undefined,
    operationTimeoutMs: 5_000,
    enabled: true,
    name: 'zookeeper',
  })
  expect(readOptions({ chroot: '/team', prefix: '/services' })).toMatchObject({ chroot: '/team', root: '/team/services' })
})

const bad: readonly (readonly [string, object])[] = [
  ['endpoints', { endpoints: [] }],
  ['endpoints', { endpoints: ['https://zk.example:2281'] }],
  ['endpoints[0]', { endpoints: ['user:secret@zk.example'] }],
  ['prefix', { prefix: 'services' }],
  ['prefix', { prefix: '/services/' }],
  ['prefix', { prefix: '/a//b' }],
  ['prefix', { prefix: '/a/../b' }],
  ['prefix', { prefix: '/' }],
  ['chroot', { chroot: '' }],
  ['chroot', { chroot: '/\ue000' }],
  ['sessionTimeoutMs', { sessionTimeoutMs: 0 }],
  ['operationTimeoutMs', { operationTimeoutMs: '5s' }],
  ['enabled', { enabled: 'yes' }],
  ['name', { name: '' }],
  ['credentials', { credentials: 'admin:secret' }],
  ['credentials.username', { credentials: { username: 'a:b', password: 'secret' } }],
  ['credentials.password', { credentials: { username: 'a', password: '' } }],
  ['tls', { tls: {} }],
  ['ttlMs', { ttlMs: 1_000 }],
]

test.each(bad)('a wrong %s is refused by name: %o', (field, options) => {
  expect(() => createZooKeeperRegistry(options as ZooKeeperRegistryOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field, message: expect.not.stringContaining('secret') }),
  )
})

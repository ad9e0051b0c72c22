import { expect, test } from 'vitest'
import { createZooKeeperConfigSource, type ZooKeeperConfigSourceOptions } from './index.ts'
import { resolveZooKeeperConfigSourceOptions } from './options.ts'

test('defaults', () => {
  expect(resolveZooKeeperConfigSourceOptions({})).toMatchObject({
    root: '/sd/config',
    keys: undefined,
    format: undefined,
    name: 'config-zookeeper',
  })
  expect(resolveZooKeeperConfigSourceOptions({ chroot: '/team', prefix: '/config' })).toMatchObject({ root: '/team/config' })
})

const bad: readonly (readonly [string, object])[] = [
  ['prefix', { prefix: 'config' }],
  ['prefix', { prefix: '/' }],
  ['keys', { keys: [] }],
  ['keys', { keys: 'orders.yaml' }],
  ['keys[2]', { keys: ['a', 'b', 'a'] }],
  ['keys[1]', { keys: ['a', '/b'] }],
  ['keys[0]', { keys: ['\ue000'] }],
  ['format', { format: 'xml' }],
  ['name', { name: '' }],
  ['credentials', { credentials: 'admin:secret' }],
  ['acl', { acl: [] }],
  ['layout', { layout: 'tree' }],
]

test.each(bad)('an invalid %s is an error that names it: %o', (field, options) => {
  expect(() => createZooKeeperConfigSource(options as ZooKeeperConfigSourceOptions)).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field, message: expect.not.stringContaining('secret') }),
  )
})

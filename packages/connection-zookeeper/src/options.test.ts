import { expect, test } from 'vitest'
import { checkPath, resolveZooKeeperConnectionOptions } from './index.ts'

test('defaults', () => {
  expect(resolveZooKeeperConnectionOptions({}, 'zookeeper')).toEqual({
    servers: [{ secure: false, host: '127.0.0.1', port: 2181 }],
    chroot: '',
    sessionTimeoutMs: 15_000,
    credentials: undefined,
    tls: undefined,
    acl: undefined,
    operationTimeoutMs: 5_000,
    name: 'zookeeper',
  })
  expect(resolveZooKeeperConnectionOptions({ chroot: '/team' }, 'zookeeper')).toMatchObject({ chroot: '/team' })
})

const bad: readonly (readonly [string, object])[] = [
  ['servers', { servers: [] }],
  ['servers', { servers: ['https://zk.example:2281', 'zk.example'] }],
  ['tls.ca', { servers: ['https://zk.example:2281'], tls: { ca: 'x' } }],
  ['servers[0]', { servers: ['user:secret@zk.example'] }],
  ['chroot', { chroot: '' }],
  ['chroot', { chroot: '/\ue000' }],
  ['sessionTimeoutMs', { sessionTimeoutMs: 0 }],
  ['operationTimeoutMs', { operationTimeoutMs: '5s' }],
  ['credentials', { credentials: 'admin:secret' }],
  ['credentials.username', { credentials: { username: 'a:b', password: 'secret' } }],
  ['credentials.password', { credentials: { username: 'a', password: '' } }],
  ['acl', { acl: [] }],
  ['acl', { acl: 'digest:app:secret' }],
  ['acl[0]', { acl: ['digest:app:secret'] }],
  ['acl[0].scheme', { acl: [{ id: 'app:secret' }] }],
  ['acl[0].id', { acl: [{ scheme: 'digest', id: ['app:secret'] }] }],
  ['acl[0].perms', { acl: [{ scheme: 'digest', id: 'app:secret', perms: 31 }] }],
  [
    'acl[1].permissions',
    {
      acl: [
        { scheme: 'auth', id: '' },
        { scheme: 'digest', id: 'app:secret', permissions: 'crdwa' },
      ],
    },
  ],
  ['acl[0].permissions[1]', { acl: [{ scheme: 'auth', id: '', permissions: ['read', 'x'] }] }],
]

test.each(bad)('the error for an invalid %s names it: %o', (field, options) => {
  expect(() => resolveZooKeeperConnectionOptions(options, 'zookeeper')).toThrow(
    expect.objectContaining({ code: 'SD_INVALID', field, message: expect.not.stringContaining('secret') }),
  )
})

test.each(['services', '/services/', '/a//b', '/a/../b', '/', '', '/\ue000', '/a\u0000'])('%j is not a valid path', (path) => {
  expect(() => checkPath('prefix', path)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'prefix' }))
})

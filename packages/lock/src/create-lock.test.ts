import type { Lock } from '@sd/core'
import type { EtcdLockOptions } from '@sd/lock-etcd'
import { obtainServer, startConsul, startEtcd } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { describe, expect, test } from 'vitest'
import { createLock, type LockType, parseLockUrl } from './index.ts'

test.each([
  ['consul://:token@h:8500/my/locks', { type: 'consul', servers: ['h:8500'], token: 'token', prefix: 'my/locks' }],
  ['consul://h?namespace=x&ttlMs=20000', { type: 'consul', servers: ['h'], prefix: 'x', ttlMs: 20_000 }],
  [
    'etcd+tls://root:pw@a:1,b:2/locks',
    {
      type: 'etcd',
      servers: ['https://a:1', 'https://b:2'],
      credentials: { username: 'root', password: 'pw' },
      prefix: '/locks',
    },
  ],
  ['etcd://h/?namespace=x', { type: 'etcd', servers: ['h'], prefix: '/x' }],
])('the URL %s', (url, config) => {
  expect(parseLockUrl(url)).toEqual(config)
})

test.each([
  ['consul://127.0.0.1:1', 'consul'],
  ['etcd://127.0.0.1:1/orders', 'etcd'],
])('%s is loaded', async (url, name) => {
  await using lock = await createLock(url)
  expect(lock.name).toBe(name)
})

test('an error names the invalid field, or says what to write', async () => {
  await expect(createLock('etcd://h:1/?ttl=5')).rejects.toMatchObject({ code: 'SD_INVALID', field: 'ttl' })
  await expect(createLock<EtcdLockOptions>({ type: 'etcd', ttlMs: 1 })).rejects.toMatchObject({ field: 'ttlMs' })
  await expect(createLock(undefined as never)).rejects.toThrow('Invalid lock: got undefined, want a URL such as consul://')
  await expect(createLock('zookeeper://h')).rejects.toThrow('Invalid type: got "zookeeper", want one of consul, etcd')
  await expect(createLock('etcd://h', { type: {} } as never)).rejects.toMatchObject({ field: 'type' })
})

test('a type of your own takes precedence', async () => {
  const own: LockType = { create: () => createLock({ type: 'etcd', name: 'own' }) }
  await using lock = await createLock('consul://h', { types: { consul: own } })
  expect(lock.name).toBe('own')
})

const [etcd, consul] = [await obtainServer('etcd'), await obtainServer('consul')]

describe.runIf(etcd && consul)('on real servers', () => {
  test.each(['etcd', 'consul'] as const)('%s: a lock by URL is held, seen and released', async (type) => {
    if (!etcd || !consul) return
    const server = await (type === 'etcd' ? startEtcd(etcd) : startConsul(consul))
    try {
      const url = `${type}://127.0.0.1:${server.port}/jobs`
      const [one, other]: readonly Lock[] = await Promise.all([createLock(url), createLock(url)])
      if (!one || !other) return
      const handle = await one.acquire('nightly', { value: 'host-7' })
      expect(await other.list('night')).toEqual({
        locks: [{ key: 'nightly', value: 'host-7', token: handle.token }],
        isTruncated: false,
      })
      await one.close()
      await eventually(async () => expect((await other.list('')).locks).toEqual([]), 10_000)
      await other.close()
    } finally {
      await server.close()
    }
  })
})

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { SdError } from '@sd/core'
import { createCertificates, createRotation, type EtcdServer, freePort, obtainServer, startEtcd } from '@sd/test-servers'
import { eventually, within } from '@sd/testing'
import type { TlsOptions } from '@sd/tls'
import { Etcd3, Range } from 'etcd3'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  changeKey,
  createEtcdConnection,
  type EtcdConnection,
  type EtcdConnectionOptions,
  followPrefix,
  grantLease,
  type KeyValues,
  listPrefix,
  resolveEtcdConnectionOptions,
} from './index.ts'

const etcd = await obtainServer('etcd', { own: true })
const opened: EtcdConnection[] = []

function open(options: EtcdConnectionOptions): EtcdConnection {
  const connection = createEtcdConnection(resolveEtcdConnectionOptions({ operationTimeoutMs: 2_000, ...options }, 'etcd'))
  opened.push(connection)
  return connection
}

afterAll(() => {
  for (const connection of opened) connection.close()
})

function put(connection: EtcdConnection, key: string, value: string): Promise<unknown> {
  return connection.run((client) => client.put(key).value(value).exec())
}

/** Follows a prefix until the session ends, and records its changes. */
function startToFollow(connection: EtcdConnection, prefix: string): { seen: KeyValues[]; ended: Promise<void>; stop(): void } {
  const seen: KeyValues[] = []
  const controller = new AbortController()
  const ended = followPrefix(connection, prefix, {
    signal: controller.signal,
    onChange: ({ entries, revision }) => seen.push({ entries: new Map(entries), revision }),
  })
  ended.catch(() => undefined)
  return { seen, ended, stop: () => controller.abort() }
}

describe.runIf(etcd)('a plain server', () => {
  let server: EtcdServer
  beforeAll(async () => {
    if (etcd) server = await startEtcd(etcd)
  })
  afterAll(() => server.close())

  test('a prefix is followed from its list on, event by event', async () => {
    const prefix = `/${randomUUID()}/`
    const connection = open({ servers: [`127.0.0.1:${server.port}`] })
    await put(connection, `${prefix}a`, '1')
    const { seen, ended, stop } = startToFollow(connection, prefix)
    await eventually(() => expect(seen.at(-1)?.entries.get(`${prefix}a`)?.text).toBe('1'), 5_000)
    await put(connection, `${prefix}a`, '2')
    await put(connection, `${prefix}b`, '3')
    await connection.run((client) => client.delete().key(`${prefix}a`).exec())
    await eventually(() => expect([...(seen.at(-1)?.entries.keys() ?? [])]).toEqual([`${prefix}b`]), 5_000)
    stop()
    await within(ended, 2_000, 'a session that was aborted')
  })

  test('a compacted revision ends the session', async () => {
    const prefix = `/${randomUUID()}/`
    const connection = open({ servers: [`127.0.0.1:${server.port}`] })
    for (let value = 0; value < 5; value++) await put(connection, `${prefix}a`, String(value))
    const { revision } = await connection.run((client) => listPrefix(client, prefix))
    const client = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
    await client.kv.compact({ revision, physical: true })
    const watcher = client.watch().prefix(prefix).startRevision('2').watcher()
    await within(new Promise((resolve) => watcher.once('error', resolve)), 5_000, 'an error for a compacted revision')
    client.close()
    // Ours lists first, so that it always starts before the compaction.
    const { seen, stop } = startToFollow(connection, prefix)
    await put(connection, `${prefix}b`, 'x')
    await eventually(() => expect(seen.at(-1)?.entries.size).toBe(2), 5_000)
    stop()
  })

  test('a key is changed only if it has the expected revision', async () => {
    const key = `/${randomUUID()}`
    const connection = open({ servers: [`127.0.0.1:${server.port}`] })
    const change = (value: string | undefined, ifModRevision?: bigint): Promise<bigint | undefined> =>
      changeKey(connection, { key, value, ifModRevision })
    const created = await change('1', 0n)
    expect(await change('2', 0n)).toBeUndefined()
    const changed = (await change('2', created)) as bigint
    expect((await connection.run((client) => listPrefix(client, key))).entries.get(key)).toEqual({
      text: '2',
      isText: true,
      createRevision: created,
      modRevision: changed,
      lease: '0',
    })
    expect(await change(undefined, created)).toBeUndefined()
    expect(await change('3')).toBe(changed + 1n)
    expect(await change(undefined, changed + 1n)).toBe(changed + 2n)
    expect(await change(undefined, changed + 1n)).toBeUndefined()
    expect(await change(undefined)).toBe(changed + 2n)
  })

  test('a change keeps the lease of a key', async () => {
    const key = `/${randomUUID()}`
    const connection = open({ servers: [`127.0.0.1:${server.port}`] })
    const lease = await connection.run((client) => client.lease(60, { autoKeepAlive: false }).grant())
    await connection.run((client) => client.put(key).value('1').lease(lease).exec())
    const read = async () => (await connection.run((client) => listPrefix(client, key))).entries.get(key)
    const first = await changeKey(connection, { key, value: '2' })
    expect(await read()).toMatchObject({ text: '2', lease, modRevision: first })
    const second = await changeKey(connection, { key, value: '3', ifModRevision: first })
    expect(await read()).toMatchObject({ text: '3', lease, modRevision: second })
    await changeKey(connection, { key, value: undefined })
    expect(await read()).toBeUndefined()
    await changeKey(connection, { key, value: '4' })
    expect(await read()).toMatchObject({ text: '4', lease: '0' })
  })

  test('an unreachable server ends the session, and a refusal or an unknown error has a code', async () => {
    const connection = open({ servers: [`127.0.0.1:${await freePort()}`] })
    await expect(connection.run((client) => client.get('x').string())).rejects.toMatchObject({ code: 'SD_UNAVAILABLE' })
    const other = open({ servers: [`127.0.0.1:${server.port}`] })
    for (const bytes of [1_700_000, 3_000_000]) {
      const big = changeKey(other, { key: '/big', value: 'x'.repeat(bytes) })
      await expect(big).rejects.toMatchObject({ code: 'SD_TOO_LARGE', retryable: false })
    }
    other.close()
    await expect(put(other, '/a', 'x')).rejects.toMatchObject({ code: 'SD_CLOSED' })
  })

  test('a dead member is skipped', async () => {
    const dead = await freePort()
    const connection = open({ servers: [`127.0.0.1:${dead}`, `127.0.0.1:${server.port}`] })
    for (let round = 0; round < 10; round++) await put(connection, '/failover', String(round))
    expect(await connection.run((client) => client.get('/failover').string())).toBe('9')
  })

  test('a member that does not respond delays one call, not a third of all', async () => {
    const silent = createServer((socket) => void socket.on('error', () => undefined))
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const dark = `127.0.0.1:${(silent.address() as AddressInfo).port}`
    const servers = [dark, dark.replace('127.0.0.1', 'localhost'), `127.0.0.1:${server.port}`]
    // Such a member takes about a third of the limit: two seconds, which a put does not take on any machine.
    const connection = open({ servers, operationTimeoutMs: 6_000 })
    const slow: number[] = []
    for (let round = 0; round < 60; round++) {
      const startedAt = performance.now()
      await put(connection, '/silent', String(round))
      const tookMs = performance.now() - startedAt
      if (tookMs > 1_500) slow.push(tookMs)
    }
    expect(slow.length).toBeLessThanOrEqual(2)
    const lease = await grantLease(connection, 5_000)
    expect(await lease.renew()).toBe(true)
    connection.close()
    silent.close()
  })

  test('no operation exceeds its limit while no member responds', async () => {
    const silent = createServer((socket) => void socket.on('error', () => undefined))
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const dark = `127.0.0.1:${(silent.address() as AddressInfo).port}`
    for (const extra of [{}, { credentials: { username: 'a', password: 'b' } }]) {
      const connection = open({ servers: [dark, dark, dark], operationTimeoutMs: 1_000, ...extra })
      const operations = {
        put: () => put(connection, '/a', 'x'),
        change: () => changeKey(connection, { key: '/a', value: 'x', ifModRevision: 0n }),
        lease: () => grantLease(connection, 2_000),
        list: () => connection.run((client) => listPrefix(client, '/')),
      }
      await Promise.all(
        Object.entries(operations).map(async ([name, operation]) => {
          const startedAt = performance.now()
          await expect(operation(), name).rejects.toMatchObject({ retryable: true })
          // Less than a limit for each member.
          expect(performance.now() - startedAt, name).toBeLessThan(2_500)
        }),
      )
      connection.close()
    }
    silent.close()
  })

  test('a proxy in the environment is not used', async () => {
    vi.stubEnv('http_proxy', 'http://127.0.0.1:1')
    vi.stubEnv('grpc_proxy', 'http://127.0.0.1:1')
    await put(open({ servers: [`127.0.0.1:${server.port}`] }), '/proxied', '1')
    vi.unstubAllEnvs()
  })

  test('a lease exists until it is revoked', async () => {
    const connection = open({ servers: [`127.0.0.1:${server.port}`] })
    const lease = await grantLease(connection, 2_000)
    expect(lease.expiresAt - lease.confirmedAt).toBeCloseTo(2_000)
    const before = lease.confirmedAt
    expect(await lease.renew()).toBe(true)
    expect(lease.confirmedAt).toBeGreaterThan(before)
    await lease.revoke()
    expect(await lease.renew()).toBe(false)
  })
})

describe.runIf(etcd)('a full database', () => {
  test('is a temporary error, not a request that is too large', async () => {
    if (!etcd) return
    const server = await startEtcd(etcd, { args: ['--quota-backend-bytes', '2000000'] })
    const connection = open({ servers: [`127.0.0.1:${server.port}`] })
    let error: unknown
    for (let round = 0; round < 40 && error === undefined; round++) {
      await put(connection, `/full/${round}`, 'x'.repeat(200_000)).catch((caught: unknown) => {
        error = caught
      })
    }
    expect(error).toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true, message: expect.stringContaining('alarm disarm') })
    connection.close()
    await server.close()
  })
})

describe.runIf(etcd)('a server with users', () => {
  let server: EtcdServer
  let root: Etcd3
  beforeAll(async () => {
    if (!etcd) return
    server = await startEtcd(etcd)
    const admin = new Etcd3({ hosts: `127.0.0.1:${server.port}` })
    await admin.role('root').create()
    const user = await admin.user('root').create('root-secret')
    await user.addRole('root')
    await admin.auth.authEnable()
    admin.close()
    root = new Etcd3({ hosts: `127.0.0.1:${server.port}`, auth: { username: 'root', password: 'root-secret' } })
    const role = await root.role('orders').create()
    await role.grant({ permission: 'Readwrite', range: Range.prefix('/orders/') })
    const worker = await root.user('worker').create('old-secret')
    await worker.addRole('orders')
  })
  afterAll(async () => {
    root.close()
    await server.close()
  })

  const servers = (): readonly string[] => [`127.0.0.1:${server.port}`]

  test('a wrong password and a forbidden key are refused, and no message contains the password', async () => {
    const wrong = open({ servers: servers(), credentials: { username: 'worker', password: 'wrong-secret' } })
    const error: unknown = await wrong.run((client) => client.get('/orders/a').string()).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false })
    expect(JSON.stringify([String(error), (error as Error).cause])).not.toContain('wrong-secret')
    const allowed = open({ servers: servers(), credentials: { username: 'worker', password: 'old-secret' } })
    await put(allowed, '/orders/a', '1')
    await expect(put(allowed, '/users/a', '1')).rejects.toMatchObject({ code: 'SD_DENIED' })
    const anonymous = open({ servers: servers() })
    await expect(put(anonymous, '/orders/a', '1')).rejects.toMatchObject({ code: 'SD_DENIED' })
  })

  const inOrders: readonly (readonly [string, (connection: EtcdConnection) => Promise<unknown>])[] = [
    ['reading', (connection) => connection.run((client) => client.get('/orders/a').string())],
    ['listing', (connection) => connection.run((client) => listPrefix(client, '/orders/'))],
    ['writing', (connection) => put(connection, '/orders/a', '1')],
    ['deleting', (connection) => connection.run((client) => client.delete().key('/orders/a').exec())],
    ['a transaction', (connection) => changeKey(connection, { key: '/orders/a', value: '1' })],
    ['following', (connection) => startToFollow(connection, '/orders/').ended],
  ]
  const ways: readonly (readonly [EtcdConnectionOptions['credentials'], string])[] = [
    [{ username: 'guest', password: 'guest-secret' }, '"readwrite" on the prefix "/orders/"'],
    [{ username: 'worker', password: 'wrong-secret' }, 'see "etcdctl user list"'],
    [undefined, 'the cluster requires authentication: set credentials'],
  ]
  test.each(inOrders)('%s without permission is refused with a hint', async (_, operation) => {
    await root
      .user('guest')
      .create('guest-secret')
      .catch(() => undefined)
    for (const [credentials, way] of ways) {
      const options = { servers: servers(), operationTimeoutMs: 2_000, ...(credentials && { credentials }) }
      const connection = createEtcdConnection({ ...resolveEtcdConnectionOptions(options, 'etcd'), prefix: '/orders/' })
      opened.push(connection)
      const error = (await operation(connection).catch((caught: unknown) => caught)) as SdError
      expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false, message: expect.stringContaining(way) })
      expect(error.message).not.toContain('-secret')
    }
  })

  test('a cluster without users refuses a login with a hint', async () => {
    if (!etcd) return
    await using plain = await startEtcd(etcd)
    const credentials = { username: 'worker', password: 'old-secret' }
    const connection = open({ servers: [`127.0.0.1:${plain.port}`], credentials })
    await expect(put(connection, '/a', '1')).rejects.toThrow('remove credentials')
  })

  test('a rotated password is requested again, in operations and in a later session', async () => {
    let password = 'old-secret'
    const connection = open({ servers: servers(), credentials: () => ({ username: 'worker', password }) })
    await put(connection, '/orders/a', '1')
    const { seen, ended, stop } = startToFollow(connection, '/orders/')
    await eventually(() => expect(seen.length).toBe(1), 5_000)
    await root.auth.userChangePassword({ name: 'worker', password: 'new-secret' })
    password = 'new-secret'
    await put(connection, '/orders/a', '2')
    // The old login may remain valid for existing streams. A session that ends because of it is followed by one with
    // the new login.
    stop()
    await ended.catch((error: unknown) => expect(error instanceof SdError).toBe(true))
    const after = startToFollow(connection, '/orders/')
    await eventually(() => expect(after.seen.at(-1)?.entries.get('/orders/a')?.text).toBe('2'), 5_000)
    after.stop()
  })

  test('a restarted server that lost all logins gets a new login', async () => {
    const connection = open({ servers: servers(), credentials: { username: 'root', password: 'root-secret' } })
    await put(connection, '/orders/b', '1')
    await server.kill()
    await server.start()
    await eventually(() => put(connection, '/orders/b', '2'), 10_000)
    const { seen, stop } = startToFollow(connection, '/orders/')
    await put(connection, '/orders/b', '3')
    await eventually(() => expect(seen.at(-1)?.entries.get('/orders/b')?.text).toBe('3'), 5_000)
    stop()
  })
})

describe.runIf(etcd)('a server with TLS that requires client certificates', () => {
  let server: EtcdServer
  let tls: Required<Pick<TlsOptions, 'ca' | 'cert' | 'key'>>
  beforeAll(async () => {
    if (!etcd) return
    const certificates = await createCertificates()
    tls = { ca: certificates.ca, ...certificates.client }
    server = await startEtcd(etcd, { tls: certificates })
  })
  afterAll(() => server.close())

  test('is reached with CA and certificate only', async () => {
    const servers = [`https://127.0.0.1:${server.port}`]
    const connection = open({ servers, tls })
    await put(connection, '/a', '1')
    const named = open({ servers, tls: { ...tls, serverName: 'localhost' } })
    expect(await named.run((client) => client.get('/a').string())).toBe('1')
    const other = await createCertificates()
    const attempts: readonly TlsOptions[] = [{ ca: tls.ca }, { ...tls, ca: other.ca }, { ...tls, serverName: 'elsewhere' }]
    const hints = ['tls.cert', 'tls.ca', 'tls.serverName']
    for (const [index, wrong] of attempts.entries()) {
      await expect(put(open({ servers, tls: wrong }), '/a', '2')).rejects.toMatchObject({
        code: 'SD_UNAVAILABLE',
        message: expect.stringContaining(hints[index] as string),
      })
    }
  })

  test('a watch that ends does not end a later call, and no address is sent as a server name', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    const connection = open({ servers: [`https://127.0.0.1:${server.port}`], tls })
    for (let round = 0; round < 20; round++) {
      const controller = new AbortController()
      await followPrefix(connection, '/left/', { signal: controller.signal, onChange: () => controller.abort() })
      await put(connection, '/left/a', String(round))
      const later = new AbortController()
      const following = followPrefix(connection, '/left/', { signal: later.signal, onChange: () => undefined })
      await setTimeout(round)
      later.abort()
      await following
      await put(connection, '/left/a', String(round))
    }
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })

  test('with new certificates of another CA is reached again, once the files contain them', {
    timeout: 60_000,
  }, async () => {
    if (!etcd) return
    await using rotation = await createRotation()
    await using rotated = await startEtcd(etcd, { tls: rotation.certificates })
    const connection = open({ servers: [`https://127.0.0.1:${rotated.port}`], tls: rotation.tls })
    await put(connection, '/a', '1')
    const { seen, ended } = startToFollow(connection, '/a')
    await eventually(() => expect(seen.at(-1)?.entries.get('/a')?.text).toBe('1'), 5_000)
    for (const value of ['2', '3']) {
      await rotation.rotate(rotated)
      await eventually(() => put(connection, '/a', value), 20_000)
    }
    await expect(within(ended, 5_000, 'a session of before')).rejects.toThrow()
    const lease = await grantLease(connection, 5_000)
    expect(await lease.renew()).toBe(true)
  })
})

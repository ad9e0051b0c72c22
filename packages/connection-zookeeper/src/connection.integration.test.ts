import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { SdError } from '@sd/core'
import {
  createRotation,
  freePort,
  obtainServer,
  startToxiproxy,
  startZooKeeper,
  type Toxiproxy,
  type ZooKeeperServer,
} from '@sd/test-servers'
import { eventually, within } from '@sd/testing'
import type { TlsOptions } from '@sd/tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  checkChroot,
  createFolder,
  createZooKeeperConnection,
  followChanges,
  resolveZooKeeperConnectionOptions,
  type ZooKeeperClient,
  type ZooKeeperConnection,
  type ZooKeeperConnectionInit,
  type ZooKeeperConnectionOptions,
} from './index.ts'
import { digestOf } from './testing/digest.ts'

const zookeeper = await obtainServer('zookeeper', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(zookeeper && toxiproxy)('the connection to ZooKeeper', { timeout: 30_000 }, () => {
  let server: ZooKeeperServer
  let proxy: Toxiproxy
  let caseNumber = 0
  const opened: ZooKeeperConnection[] = []

  beforeAll(async () => {
    if (!zookeeper || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startZooKeeper(zookeeper), startToxiproxy(toxiproxy)])
  }, 90_000)
  afterEach(() => Promise.all(opened.splice(0).map((session) => session.close())))
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  function open(options: ZooKeeperConnectionOptions = {}, listeners: Partial<ZooKeeperConnectionInit> = {}): ZooKeeperConnection {
    const servers = [`127.0.0.1:${server.port}`]
    const settings = resolveZooKeeperConnectionOptions({ servers, sessionTimeoutMs: 2_000, ...options }, 'zookeeper')
    const session = createZooKeeperConnection({ settings, ...listeners })
    opened.push(session)
    return session
  }

  /** A separate folder for each case. */
  async function nextFolder(session: ZooKeeperConnection): Promise<string> {
    const folder = `/case-${++caseNumber}`
    await session.run((connection) => createFolder(connection, folder, ''))
    return folder
  }

  test('nodes are created, changed and removed by version', async () => {
    const session = open()
    const folder = await nextFolder(session)
    await session.run(async (connection) => {
      const path = `${folder}/a`
      expect(await connection.read(path)).toBeUndefined()
      expect(await connection.write(path, Buffer.from('x'))).toBeUndefined()
      expect(await connection.create(`${path}/b`)).toBe('no parent')
      expect(await connection.create(path, Buffer.from('1'))).toBe('created')
      expect(await connection.create(path, Buffer.from('2'))).toBe('exists')
      const created = await connection.read(path)
      expect(created).toMatchObject({ text: '1', version: 0, numChildren: 0, own: false, czxid: created?.mzxid })
      expect(Math.abs((created?.updatedAt ?? 0) - Date.now())).toBeLessThan(60_000)
      expect(await connection.write(path, Buffer.from('2'), 7)).toBeUndefined()
      expect(await connection.write(path, Buffer.from('2'), 0)).toMatchObject({ version: 1, czxid: created?.czxid })
      expect(await connection.remove(path, 0)).toBe(false)
      expect(await connection.remove(path, 1)).toBe(true)
      expect(await connection.remove(path)).toBe(true)
      await connection.create(path, Buffer.from('1'), 'session')
      const again = await connection.exists(path)
      expect(again).toMatchObject({ version: 0, own: true })
      expect(again?.mzxid).not.toBe(created?.mzxid)
      expect((await connection.exists(folder))?.numChildren).toBe(1)
    })
  })

  /** Follows a node and its children, and records them. */
  function follow(session: ZooKeeperConnection, folder: string, signal: AbortSignal) {
    const seen: string[] = []
    const present = new Map<string, string>()
    const refresh = async (connection: ZooKeeperClient, changed: ReadonlySet<string>): Promise<void> => {
      for (const path of changed) {
        const [node, names = []] = [await connection.read(path, true), await connection.children(path, true)]
        if (node) present.set(path, node.text)
        else present.delete(path)
        for (const name of names) {
          const child = await connection.read(`${path}/${name}`, true)
          if (child) present.set(`${path}/${name}`, child.text)
        }
      }
    }
    const ended = session.run((connection) =>
      followChanges(connection, folder, {
        signal,
        refresh: (changed) => refresh(connection, changed),
        onChange: () => seen.push([...present.values()].sort().join(',')),
      }),
    )
    ended.catch(() => undefined)
    return { seen, ended }
  }

  test('watches are set again after each change, until they are ended', async () => {
    const [session, other] = [open(), open()]
    const folder = await nextFolder(session)
    const controller = new AbortController()
    const { seen, ended } = follow(session, folder, controller.signal)
    await eventually(() => expect(seen).toEqual(['']), 5_000)
    for (const [index, text] of ['1', '2', '3'].entries()) {
      await other.run(async (connection) => {
        if (index === 0) await connection.create(`${folder}/a`, Buffer.from(text))
        else await connection.write(`${folder}/a`, Buffer.from(text))
      })
      await eventually(() => expect(seen.at(-1)).toBe(`,${text}`), 5_000)
    }
    await other.run((connection) => connection.remove(`${folder}/a`))
    await eventually(() => expect(seen.at(-1)).toBe(''), 5_000)
    controller.abort()
    await within(ended, 2_000, 'what was aborted')
  })

  test('a broken connection ends its followers, but not the session', async () => {
    const link = await proxy.link(server.port)
    const lost: SdError[] = []
    const session = open(
      { servers: [`127.0.0.1:${link.port}`], sessionTimeoutMs: 10_000 },
      { onLost: (error) => lost.push(error) },
    )
    const folder = await nextFolder(session)
    const before = await session.run(async (connection) => {
      await connection.create(`${folder}/mine`, Buffer.from('1'), 'session')
      return connection.identity.id
    })
    const { seen, ended } = follow(session, folder, new AbortController().signal)
    await eventually(() => expect(seen).toEqual([',1']), 5_000)
    await link.cut()
    await expect(within(ended, 5_000, 'a lost connection')).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
    await link.restore()
    await eventually(async () => expect(await session.run(async ({ identity }) => identity.id)).toEqual(before), 10_000)
    expect((await session.run((connection) => connection.exists(`${folder}/mine`)))?.own).toBe(true)
    expect(lost[0]?.code).toBe('SD_UNAVAILABLE')
    await link.close()
  })

  test('an expired session is followed by a new one', async () => {
    const link = await proxy.link(server.port)
    const session = open({ servers: [`127.0.0.1:${link.port}`], sessionTimeoutMs: 600 })
    const [observer, folder] = [open(), await nextFolder(session)]
    const before = await session.run(async (connection) => {
      await connection.create(`${folder}/mine`, Buffer.from('1'), 'session')
      return connection.identity.id
    })
    await link.cut()
    await eventually(
      async () => expect(await observer.run((connection) => connection.exists(`${folder}/mine`))).toBeUndefined(),
      10_000,
    )
    await link.restore()
    await eventually(async () => expect(await session.run(async ({ identity }) => identity.id)).not.toEqual(before), 10_000)
    await link.close()
  })

  test('a chroot that does not exist is an error, and is not created', async () => {
    const session = open({ chroot: '/missing' })
    const missing = { code: 'SD_NOT_FOUND', message: 'the chroot /missing does not exist' }
    await expect(session.run((connection) => checkChroot(connection, '/missing'))).rejects.toMatchObject(missing)
    await expect(session.run((connection) => createFolder(connection, '/missing/a/b', '/missing'))).rejects.toMatchObject(missing)
    await session.run((connection) => checkChroot(connection, ''))
  })

  test('nodes are accessible to their user only, or to the identities in the access list', async () => {
    const credentials = { username: 'owner', password: 'secret-one' }
    const folder = await nextFolder(open())
    const stranger = open({ credentials: { username: 'owner', password: 'secret-two' } })
    const rules = [
      { scheme: 'auth', id: '' },
      { scheme: 'digest', id: digestOf('reader', 'secret-three'), permissions: ['read'] },
    ] as const
    await open({ credentials }).run((connection) => connection.create(`${folder}/own`, Buffer.from('1')))
    await open({ credentials, acl: rules }).run((connection) => connection.create(`${folder}/shared`, Buffer.from('2')))
    const reader = open({ credentials: { username: 'reader', password: 'secret-three' } })
    expect((await reader.run((connection) => connection.read(`${folder}/shared`)))?.text).toBe('2')
    const denied = { code: 'SD_DENIED', message: expect.not.stringContaining('secret') }
    await expect(reader.run((connection) => connection.write(`${folder}/shared`, Buffer.from('3')))).rejects.toMatchObject(denied)
    await expect(stranger.run((connection) => connection.read(`${folder}/shared`))).rejects.toMatchObject(denied)
    await expect(reader.run((connection) => connection.read(`${folder}/own`))).rejects.toMatchObject(denied)
    const wrong = open({ credentials, acl: [{ scheme: 'digest', id: 'no hash' }] })
    await expect(wrong.run((connection) => connection.create(`${folder}/wrong`))).rejects.toMatchObject(denied)
  })

  test('credentials are requested again after a denial', async () => {
    const folder = await nextFolder(open())
    const owner = open({ credentials: { username: 'app', password: 'right' } })
    await owner.run((connection) => connection.create(`${folder}/own`, Buffer.from('1')))
    let password = 'wrong'
    const rotating = open({ credentials: () => Promise.resolve({ username: 'app', password }) })
    const read = (): Promise<string | undefined> =>
      rotating.run(async (connection) => (await connection.read(`${folder}/own`))?.text)
    await expect(read()).rejects.toMatchObject({ code: 'SD_DENIED' })
    password = 'right'
    expect(await read()).toBe('1')
  })

  test('a function that returns no credentials is an error that does not show them', async () => {
    const session = open({ credentials: (() => 'app:secret') as never })
    const refused = { code: 'SD_INVALID', message: expect.not.stringContaining('secret') }
    await expect(session.run((connection) => connection.exists('/'))).rejects.toMatchObject(refused)
  })

  test('a dead member and one that does not respond are skipped', async () => {
    const hole = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(hole, 'listening')
    const { port } = hole.address() as { port: number }
    const servers = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${port}`, `127.0.0.1:${server.port}`]
    // Each starts with a random member.
    const sessions = Array.from({ length: 6 }, () => open({ servers, operationTimeoutMs: 3_000 }))
    await Promise.all(sessions.map((session) => session.run((connection) => connection.exists('/'))))
    hole.close()
  })

  test('closing at any time is fast, and no request follows', async () => {
    for (const waitMs of [0, 1, 5, 20]) {
      const session = open()
      const pending = session.run((connection) => connection.exists('/')).catch(() => undefined)
      if (waitMs > 0) await delay(waitMs)
      await within(session.close(), 2_000, 'close()')
      await pending
      await expect(session.run((connection) => connection.exists('/'))).rejects.toMatchObject({ code: 'SD_CLOSED' })
    }
  })

  test('a refusal names the node, the permission and a hint', async () => {
    const admin = open({ credentials: { username: 'admin', password: 'admin-secret' } })
    await admin.run(async (connection) => {
      await connection.create('/guarded')
      await connection.create('/guarded/a', Buffer.from('x'))
    })
    const guest = open({ credentials: { username: 'guest', password: 'guest-secret' } })
    const cases: readonly (readonly [(connection: ZooKeeperClient) => Promise<unknown>, string])[] = [
      [(connection) => connection.read('/guarded/a'), '"read" on /guarded/a'],
      [(connection) => connection.children('/guarded'), '"read" on /guarded'],
      [(connection) => connection.write('/guarded/a', Buffer.from('y')), '"write" on /guarded/a'],
      [(connection) => connection.create('/guarded/b'), '"create" on /guarded'],
      [(connection) => connection.remove('/guarded/a'), '"delete" on /guarded'],
      [(connection) => connection.replace('/guarded/a', Buffer.from('y')), '"create" and "delete" on /guarded'],
    ]
    for (const [operation, way] of cases) {
      const error = (await guest.run(operation).catch((caught: unknown) => caught)) as SdError
      expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false, message: expect.stringContaining(way) })
      expect(error.message).toContain('with setAcl')
      expect(error.message).not.toContain('-secret')
    }
  })

  test('a full quota is retryable', async () => {
    if (!zookeeper) return
    await using limited = await startZooKeeper(zookeeper, { config: ['enforceQuota=true'] })
    const session = open({ servers: [`127.0.0.1:${limited.port}`] })
    const limits = '/zookeeper/quota/full'
    await session.run(async (connection) => {
      await connection.create('/full')
      await connection.create(limits)
      await connection.create(`${limits}/zookeeper_limits`, Buffer.from('count=2,bytes=-1=;byteHardLimit=-1;countHardLimit=2'))
      await connection.create(`${limits}/zookeeper_stats`, Buffer.from('count=1,bytes=0'))
    })
    const fill = async (): Promise<void> => {
      for (let node = 0; node < 20; node++) await session.run((connection) => connection.create(`/full/${node}`))
    }
    await expect(fill()).rejects.toMatchObject({ code: 'SD_UNAVAILABLE', retryable: true })
  })

  test('TLS with rotating certificates: the session continues on a member with another CA', {
    timeout: 60_000,
  }, async () => {
    if (!zookeeper) return
    await using rotation = await createRotation()
    await using secured = await startZooKeeper(zookeeper, { tls: rotation.certificates })
    const servers = [`https://localhost:${secured.securePort}`]
    const session = open({ servers, tls: rotation.tls })
    expect(await session.run((connection) => connection.children('/'))).toEqual(['zookeeper'])
    for (let round = 0; round < 2; round++) {
      await rotation.rotate(secured)
      await eventually(() => session.run((connection) => connection.children('/')), 20_000)
    }
    const { ca } = rotation.certificates
    const wrong: readonly (readonly [TlsOptions, string])[] = [
      [{}, 'tls.ca'],
      [{ ca }, 'tls.cert'],
      [{ ...rotation.tls, serverName: 'elsewhere' }, 'tls.serverName'],
      [{ ca, cert: rotation.certificates.server.cert, key: rotation.tls.key }, 'is unreachable'],
    ]
    for (const [tls, hint] of wrong) {
      const refused = open({ servers, tls }).run((connection) => connection.children('/'))
      const error = (await refused.catch((caught: unknown) => caught)) as SdError
      expect(error.code).toBe('SD_UNAVAILABLE')
      expect(error.message).toContain(hint)
    }
  })
})

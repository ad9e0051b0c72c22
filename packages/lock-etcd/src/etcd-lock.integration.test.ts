import { randomUUID } from 'node:crypto'
import { createEtcdConnection, listPrefix, resolveEtcdConnectionOptions } from '@sd/connection-etcd'
import type { Lock } from '@sd/core'
import { type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { eventually } from '@sd/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createEtcdLock } from './index.ts'

const etcd = await obtainServer('etcd')
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(etcd && toxiproxy)('lock-etcd', { timeout: 60_000 }, () => {
  let server: EtcdServer
  let proxy: Toxiproxy
  const opened: Lock[] = []
  beforeAll(async () => {
    if (!etcd || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startEtcd(etcd), startToxiproxy(toxiproxy)])
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((lock) => lock.close()))
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  function open(port: number, prefix: string): Lock {
    const lock = createEtcdLock({ servers: [`127.0.0.1:${port}`], prefix, ttlMs: 30_000, operationTimeoutMs: 10_000 })
    opened.push(lock)
    return lock
  }

  test('a release during an outage reaches etcd afterwards, long before the lease expires', async () => {
    const prefix = `/test/${randomUUID()}`
    const link = await proxy.link(server.port)
    const [cut, other] = [open(link.port, prefix), open(server.port, prefix)]
    const handle = await cut.acquire('job')
    await link.cut()
    await handle.release()
    expect((await other.holder('job'))?.token).toBe(handle.token)
    await link.restore()
    const next = await other.acquire('job', { timeoutMs: 15_000 })
    expect(next.token).toBeGreaterThan(handle.token)
  })

  test.each(['held', 'a key whose lease an operator detached does not outlive its process: %s'])(
    'a key whose lease an operator took off does not outlive its process: %s',
    async (kind) => {
      const prefix = `/test/${randomUUID()}`
      const [one, other, third] = [open(server.port, prefix), open(server.port, prefix), open(server.port, prefix)]
      const operator = createEtcdConnection(resolveEtcdConnectionOptions({ servers: [`127.0.0.1:${server.port}`] }, 'operator'))
      const handle = await one.acquire('job')
      const waiting = other.acquire('job', { timeoutMs: 30_000 })
      const keysOf = async (): Promise<readonly string[]> => {
        const { entries } = await operator.run((client) => listPrefix(client, `${prefix}/`))
        return [...entries.keys()].sort((a, b) =>
          Number((entries.get(a)?.createRevision ?? 0n) - (entries.get(b)?.createRevision ?? 0n)),
        )
      }
      await eventually(async () => expect(await keysOf()).toHaveLength(2), 15_000)
      const key = (await keysOf())[kind === 'held' ? 0 : 1] as string
      await operator.run((client) => client.put(key).value('a note').exec())
      if (kind === 'held') await eventually(() => expect(handle.signal.aborted).toBe(true), 15_000)
      else {
        await eventually(async () => expect(await keysOf()).not.toContain(key), 15_000)
        expect(handle.signal.aborted).toBe(false)
        await handle.release()
      }
      const next = await waiting
      expect(next.token).toBeGreaterThan(handle.token)
      await next.release()
      await (await third.acquire('job', { timeoutMs: 15_000 })).release()
      expect(await keysOf()).toEqual([])
      operator.close()
    },
  )

  test('locks are listed by their holders, however many contenders wait and whatever else is below the prefix', async () => {
    const prefix = `/test/${randomUUID()}`
    const lock = open(server.port, prefix)
    const operator = createEtcdConnection(resolveEtcdConnectionOptions({ servers: [`127.0.0.1:${server.port}`] }, 'operator'))
    const [busy, free] = [await lock.acquire('busy', { value: 'first' }), await lock.acquire('free')]
    const keys = [`${prefix}/another tool`, ...Array.from({ length: 1_200 }, (_, index) => `${prefix}/busy/${index}`)]
    await Promise.all(keys.map((key) => operator.run((client) => client.put(key).value('waiting').exec())))
    const held = [
      { key: 'busy', value: 'first', token: busy.token },
      { key: 'free', value: '', token: free.token },
    ]
    expect(await lock.list('')).toEqual({ locks: held, isTruncated: false })
    expect(await lock.list('', { limit: 1 })).toEqual({ locks: held.slice(0, 1), isTruncated: true })
    expect(await lock.list('f')).toEqual({ locks: held.slice(1), isTruncated: false })
    await operator.run((client) => client.delete().prefix(`${prefix}/`).exec())
    operator.close()
  })
})

import { randomUUID } from 'node:crypto'
import type { Lock } from '@sd/core'
import { type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
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
    const lock = createEtcdLock({ endpoints: [`127.0.0.1:${port}`], prefix, ttlMs: 30_000, operationTimeoutMs: 2_000 })
    opened.push(lock)
    return lock
  }

  test('a release during an outage reaches etcd afterwards, long before the lease would end', async () => {
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
})

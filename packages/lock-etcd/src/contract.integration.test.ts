import { randomUUID } from 'node:crypto'
import { createEtcdConnection, resolveEtcdConnectionOptions } from '@sd/connection-etcd'
import { createLinkedClients, type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { lockContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createEtcdLock } from './index.ts'

const etcd = await obtainServer('etcd')
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(etcd && toxiproxy)('lock contract', () => {
  let server: EtcdServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startEtcd(etcd), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const contract = lockContract({
    sessionTtlMs: 5_000,
    eventuallyMs: 20_000,
    setup: async () => {
      const prefix = `/test/${randomUUID()}`
      const clients = createLinkedClients(proxy, server.port, (port) =>
        createEtcdLock({ servers: [`127.0.0.1:${port}`], prefix, ttlMs: 5_000, operationTimeoutMs: 5_000 }),
      )
      return {
        ...clients,
        async deleteKey(key) {
          const operator = createEtcdConnection(
            resolveEtcdConnectionOptions({ servers: [`127.0.0.1:${server.port}`] }, 'operator'),
          )
          await operator.run((client) => client.delete().prefix(`${prefix}/${key}/`).exec())
          operator.close()
        },
      }
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)
})

import { randomUUID } from 'node:crypto'
import { createLinkedClients, type EtcdServer, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { registryContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createEtcdRegistry } from './index.ts'

const etcd = await obtainServer('etcd')
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(etcd && toxiproxy)('registry contract', () => {
  let server: EtcdServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startEtcd(etcd), startToxiproxy(toxiproxy)])
  })
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const contract = registryContract({
    shortestTtlMs: 2_000,
    eventuallyMs: 10_000,
    setup: async () => {
      const prefix = `/test/${randomUUID()}`
      return createLinkedClients(proxy, server.port, (port) =>
        createEtcdRegistry({ servers: [`127.0.0.1:${port}`], prefix, operationTimeoutMs: 2_000 }),
      )
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 180_000 }, run)
})

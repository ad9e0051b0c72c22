import { randomUUID } from 'node:crypto'
import {
  createLinkedClients,
  obtainServer,
  startToxiproxy,
  startZooKeeper,
  type Toxiproxy,
  type ZooKeeperServer,
} from '@sd/test-servers'
import { registryContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createZooKeeperRegistry } from './index.ts'

const zookeeper = await obtainServer('zookeeper')
const toxiproxy = await obtainServer('toxiproxy')
const sessionTimeoutMs = 2_000

describe.runIf(zookeeper && toxiproxy)('registry contract', () => {
  let server: ZooKeeperServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!zookeeper || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startZooKeeper(zookeeper), startToxiproxy(toxiproxy)])
  }, 90_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const contract = registryContract({
    shortestTtlMs: sessionTimeoutMs,
    eventuallyMs: 10_000,
    setup: async () => {
      const prefix = `/test/${randomUUID()}`
      return createLinkedClients(proxy, server.port, (port) =>
        createZooKeeperRegistry({ servers: [`127.0.0.1:${port}`], prefix, sessionTimeoutMs, operationTimeoutMs: 2_000 }),
      )
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 180_000 }, run)
})

import { randomUUID } from 'node:crypto'
import type { Registry } from '@sd/core'
import {
  type FaultyLink,
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
      const links = new Map<Registry, FaultyLink>()
      return {
        async open() {
          const link = await proxy.link(server.port)
          const endpoints = [`127.0.0.1:${link.port}`]
          const registry = createZooKeeperRegistry({ endpoints, prefix, sessionTimeoutMs, operationTimeoutMs: 2_000 })
          links.set(registry, link)
          return registry
        },
        setConnected: (registry, connected) => {
          const link = links.get(registry)
          return connected ? link?.restore() : link?.cut()
        },
        dispose: async () => void (await Promise.all([...links.values()].map((link) => link.close()))),
      }
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)
})

import { randomUUID } from 'node:crypto'
import type { Registry } from '@sd/core'
import { type EtcdServer, type FaultyLink, obtainServer, startEtcd, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
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
      const links = new Map<Registry, FaultyLink>()
      return {
        async open() {
          const link = await proxy.link(server.port)
          const registry = createEtcdRegistry({ endpoints: [`127.0.0.1:${link.port}`], prefix, operationTimeoutMs: 2_000 })
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

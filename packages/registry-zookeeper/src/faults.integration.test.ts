import { FAULT_TIMEOUT_MS, registryFaults } from '@sd/test-faults'
import { obtainServer, startToxiproxy, startZooKeeper, type Toxiproxy, type ZooKeeperServer } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createZooKeeperRegistry } from './index.ts'
import { connectOtherTool } from './testing/other-tool.ts'

const zookeeper = await obtainServer('zookeeper', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const sessionTimeoutMs = 2_000

describe.runIf(zookeeper && toxiproxy)('faults of ZooKeeper', () => {
  let server: ZooKeeperServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!zookeeper || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startZooKeeper(zookeeper), startToxiproxy(toxiproxy)])
  }, 90_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const faults = registryFaults({
    operationTimeoutMs: 3_000,
    name: 'zookeeper',
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    open: (port, scope) =>
      createZooKeeperRegistry({
        servers: [`127.0.0.1:${port}`],
        prefix: `/${scope}`,
        sessionTimeoutMs,
        operationTimeoutMs: 3_000,
      }),
    ttlMs: sessionTimeoutMs,
    async writeGarbage(scope, texts) {
      const tool = await connectOtherTool(server.port)
      for (const [index, text] of texts.entries()) await tool.put(`/${scope}/orders/garbage-${index}`, text)
      await tool.createFolder(`/${scope}/orders/folder/deeper`)
      await tool.put(`/${scope}/orders/dubbo%3A%2F%2F%E0%A4%A`, '127.0.0.1')
      await tool.put(`/${scope}/orders/dubbo%3A%2F%2Fnobody`, '127.0.0.1')
      tool.close()
    },
  })
  for (const { name, run } of faults) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})

import { configFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import { obtainServer, startToxiproxy, startZooKeeper, type Toxiproxy, type ZooKeeperServer } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createZooKeeperConfigSource } from './index.ts'
import { connectOtherTool } from './testing/other-tool.ts'

const zookeeper = await obtainServer('zookeeper', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(zookeeper && toxiproxy)('faults of ZooKeeper', () => {
  let server: ZooKeeperServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!zookeeper || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startZooKeeper(zookeeper), startToxiproxy(toxiproxy)])
  }, 90_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const faults = configFaults({
    name: 'zookeeper',
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    open: (port, scope) =>
      createZooKeeperConfigSource({
        servers: [`127.0.0.1:${port}`],
        prefix: `/${scope}`,
        sessionTimeoutMs: 2_000,
        operationTimeoutMs: 3_000,
      }),
    keys: ['db/pool/size', 'orders.yaml'],
    write: (scope, key, content) => useOtherTool(server.port, (tool) => tool.put(`/${scope}/${key}`, content)),
    remove: (scope, key) => useOtherTool(server.port, (tool) => tool.remove(`/${scope}/${key}`)),
  })
  for (const { name, run } of faults) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})

/** A new tool each time, because its connection would not survive the faults of the server. */
async function useOtherTool(port: number, work: (tool: ReturnType<typeof connectOtherTool>) => Promise<void>): Promise<void> {
  const tool = connectOtherTool(port)
  try {
    await work(tool)
  } finally {
    await tool.close()
  }
}

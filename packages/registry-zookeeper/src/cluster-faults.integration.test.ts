import { clusterFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import { type Cluster, obtainServer, startZooKeeperCluster } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createZooKeeperRegistry } from './index.ts'

const zookeeper = await obtainServer('zookeeper', { own: true })
const sessionTimeoutMs = 6_000

describe.runIf(zookeeper)('an ensemble of three', () => {
  let cluster: Cluster
  beforeAll(async () => {
    if (zookeeper) cluster = await startZooKeeperCluster(zookeeper)
  })
  afterAll(() => cluster.close())

  const cases = clusterFaults({
    name: 'zookeeper',
    ttlMs: sessionTimeoutMs,
    cluster: () => cluster,
    open: (ports, scope) =>
      createZooKeeperRegistry({
        ...{ servers: ports.map((port) => `127.0.0.1:${port}`), prefix: `/${scope}`, sessionTimeoutMs },
        operationTimeoutMs: 3_000,
      }),
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})

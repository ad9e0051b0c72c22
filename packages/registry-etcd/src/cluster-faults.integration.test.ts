import { clusterFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import { type Cluster, obtainServer, startEtcdCluster } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createEtcdRegistry } from './index.ts'

const etcd = await obtainServer('etcd', { own: true })
const ttlMs = 6_000

describe.runIf(etcd)('three members', () => {
  let cluster: Cluster
  beforeAll(async () => {
    if (etcd) cluster = await startEtcdCluster(etcd)
  })
  afterAll(() => cluster.close())

  const cases = clusterFaults({
    name: 'etcd',
    ttlMs,
    cluster: () => cluster,
    open: (ports, scope) =>
      createEtcdRegistry({
        ...{ servers: ports.map((port) => `127.0.0.1:${port}`), prefix: `/${scope}`, ttlMs },
        operationTimeoutMs: 3_000,
      }),
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})

import { FAULT_TIMEOUT_MS, lockClusterFaults } from '@sd/test-faults'
import { type Cluster, obtainServer, startConsulCluster } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createConsulLock } from './index.ts'

const consul = await obtainServer('consul', { own: true })
const ttlMs = 10_000

describe.runIf(consul)('three members', () => {
  let cluster: Cluster
  beforeAll(async () => {
    if (consul) cluster = await startConsulCluster(consul)
  })
  afterAll(() => cluster.close())

  const cases = lockClusterFaults({
    name: 'lock-consul',
    ttlMs,
    cluster: () => cluster,
    open: (ports, scope) => createConsulLock({ servers: ports.map((port) => `127.0.0.1:${port}`), prefix: `${scope}`, ttlMs }),
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})

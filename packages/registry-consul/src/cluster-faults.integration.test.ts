import { clusterFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import { type Cluster, obtainServer, startConsulCluster } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createConsulRegistry } from './index.ts'

const consul = await obtainServer('consul', { own: true })

describe.runIf(consul)('three servers and an agent', () => {
  let cluster: Cluster
  beforeAll(async () => {
    if (consul) cluster = await startConsulCluster(consul)
  })
  afterAll(() => cluster.close())

  const cases = clusterFaults({
    name: 'consul',
    ttlMs: 30_000,
    cluster: () => cluster,
    open: (ports, scope) =>
      createConsulRegistry({
        servers: ports.map((port) => `127.0.0.1:${port}`),
        prefix: `${scope}-`,
        operationTimeoutMs: 3_000,
      }),
    async otherUser(port, signal) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/agent/self`, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]),
      }).catch(() => undefined)
      await response?.body?.cancel()
      if (response?.status === 429) throw new Error('429: its connections are used up')
    },
  })
  for (const { name, run } of cases) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})

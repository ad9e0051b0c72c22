import { randomUUID } from 'node:crypto'
import {
  createLinkedClients,
  type KubernetesServer,
  obtainServer,
  startKubernetes,
  startToxiproxy,
  type Toxiproxy,
} from '@sd/test-servers'
import { registryContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createKubernetesRegistry } from './index.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(etcd && kubernetes && toxiproxy)('registry contract', () => {
  let server: KubernetesServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !kubernetes || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startKubernetes({ etcd, kubernetes }), startToxiproxy(toxiproxy)])
  }, 180_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const contract = registryContract({
    shortestTtlMs: 2_000,
    eventuallyMs: 15_000,
    setup: async () => {
      const namespace = `test-${randomUUID()}`
      await server.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
      return createLinkedClients(proxy, server.port, (port) =>
        createKubernetesRegistry({ kubeconfig: server.kubeconfig({ port, namespace }), operationTimeoutMs: 10_000 }),
      )
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 180_000 }, run)
})

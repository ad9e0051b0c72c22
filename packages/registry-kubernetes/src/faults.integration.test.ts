import { randomUUID } from 'node:crypto'
import { FAULT_TIMEOUT_MS, registryFaults } from '@sd/test-faults'
import { type KubernetesServer, obtainServer, startKubernetes, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createKubernetesRegistry } from './index.ts'
import type { Slice } from './slices.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const toxiproxy = await obtainServer('toxiproxy')
const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'

describe.runIf(etcd && kubernetes && toxiproxy)('faults', () => {
  let server: KubernetesServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !kubernetes || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startKubernetes({ etcd, kubernetes }), startToxiproxy(toxiproxy)])
  }, 180_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const faults = registryFaults({
    operationTimeoutMs: 2_000,
    name: 'kubernetes',
    ttlMs: 3_000,
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    // All in one namespace, because an API server that restarts empty does not create any other.
    open: (port, scope) =>
      createKubernetesRegistry({
        kubeconfig: server.kubeconfig({ port }),
        labels: { scope },
        labelSelector: `scope=${scope}`,
        ttlMs: 3_000,
        operationTimeoutMs: 2_000,
      }),
    async writeGarbage(scope, texts) {
      const { items } = (await server.call('GET', `${slices}?labelSelector=scope=${scope}`)) as { items: readonly Slice[] }
      for (const text of texts) {
        const body = { ...items[0], metadata: { ...copyMetadata(items[0]), annotations: { 'sd/instance': text } } }
        await server.call('POST', slices, body)
      }
    },
  })
  for (const { name, run } of faults) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})

function copyMetadata(slice: Slice | undefined): object {
  return { name: `garbage-${randomUUID()}`, labels: slice?.metadata.labels }
}

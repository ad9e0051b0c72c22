import { randomUUID } from 'node:crypto'
import {
  createLinkedClients,
  type KubernetesServer,
  obtainServer,
  startKubernetes,
  startToxiproxy,
  type Toxiproxy,
} from '@sd/test-servers'
import { configSourceContract } from '@sd/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createKubernetesConfigSource } from './index.ts'
import { createKubectl } from './testing/kubectl.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(etcd && kubernetes && toxiproxy)('config source contract', () => {
  let server: KubernetesServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !kubernetes || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startKubernetes({ etcd, kubernetes }), startToxiproxy(toxiproxy)])
  }, 180_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  describe.each([
    ['a ConfigMap', 'configmaps', { configMaps: ['orders'] }],
    ['a Secret', 'secrets', { secrets: ['orders'] }],
  ] as const)('%s', (_, kind, choice) => {
    const contract = configSourceContract({
      keys: ['orders/app.yaml', 'orders/db.pool.size'],
      eventuallyMs: 15_000,
      setup: async () => {
        const namespace = `test-${randomUUID()}`
        await server.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
        const { write, remove } = createKubectl(server, namespace, kind)
        return {
          ...createLinkedClients(proxy, server.port, (port) =>
            createKubernetesConfigSource({
              kubeconfig: server.kubeconfig({ port, namespace }),
              operationTimeoutMs: 4_000,
              ...choice,
            }),
          ),
          write,
          remove,
        }
      },
    })
    for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)
  })
})

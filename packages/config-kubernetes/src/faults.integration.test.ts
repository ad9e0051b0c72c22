import { configFaults, FAULT_TIMEOUT_MS } from '@sd/test-faults'
import { type KubernetesServer, obtainServer, startKubernetes, startToxiproxy, type Toxiproxy } from '@sd/test-servers'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { createKubernetesConfigSource } from './index.ts'
import { createKubectl, type Kubectl } from './testing/kubectl.ts'

const etcd = await obtainServer('etcd', { own: true })
const kubernetes = await obtainServer('kubernetes', { own: true })
const toxiproxy = await obtainServer('toxiproxy')

describe.runIf(etcd && kubernetes && toxiproxy)('faults', () => {
  let server: KubernetesServer
  let proxy: Toxiproxy
  beforeAll(async () => {
    if (!etcd || !kubernetes || !toxiproxy) return
    ;[server, proxy] = await Promise.all([startKubernetes({ etcd, kubernetes }), startToxiproxy(toxiproxy)])
  }, 180_000)
  afterAll(() => Promise.all([server.close(), proxy.close()]))

  const kubectl = (namespace: string): Kubectl => createKubectl(server, namespace, 'configmaps')
  const faults = configFaults({
    name: 'config-kubernetes',
    keys: ['orders/app.yaml', 'orders/db.pool.size'],
    target: () => ({ server, port: server.port, toxiproxy: proxy }),
    open: (port, namespace) =>
      createKubernetesConfigSource({
        kubeconfig: server.kubeconfig({ port, namespace }),
        configMaps: ['orders'],
        operationTimeoutMs: 2_000,
      }),
    async afterEmptyRestart(namespace) {
      await server.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
    },
    async write(namespace, key, content) {
      // An API server that restarts empty no longer has it.
      await server.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } }).catch(() => undefined)
      await kubectl(namespace).write(key, content)
    },
    remove: (namespace, key) => kubectl(namespace).remove(key),
  })
  for (const { name, run } of faults) test(name, { timeout: FAULT_TIMEOUT_MS }, run)
})

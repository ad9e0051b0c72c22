import { KubeConfig, Watch } from '@kubernetes/client-node'
import { createKubernetesConfigSource } from '@sd/config-kubernetes'
import { findServer, startKubernetes } from '@sd/test-servers'
import type { Finding } from '../report.ts'
import { compareSource } from './sources.ts'

const path = '/api/v1/namespaces/default/configmaps'

/** Compares a ConfigMap with the watch of the bare library. */
export async function benchKubernetes(): Promise<readonly Finding[]> {
  const [kubernetes, etcd] = [await findServer('kubernetes', { own: true }), await findServer('etcd', { own: true })]
  if (!kubernetes || !etcd) return []
  const server = await startKubernetes({ kubernetes, etcd })
  const kubeconfig = server.kubeconfig({ namespace: 'default' })
  const findings = await compareSource({
    name: 'kubernetes',
    key: 'orders/orders.json',
    open: () => createKubernetesConfigSource({ kubeconfig, configMaps: ['orders'] }),
    async connectBare() {
      const config = new KubeConfig()
      config.loadFromString(kubeconfig)
      return {
        write: (text) => server.call('PATCH', `${path}/orders`, { data: { 'orders.json': text } }),
        async watch(seen) {
          const request = await new Watch(config).watch(
            path,
            { fieldSelector: 'metadata.name=orders' },
            (_, map) => seen(map.data['orders.json']),
            () => undefined,
          )
          return () => request.abort()
        },
        close: () => undefined,
      }
    },
  })
  await server.close()
  return findings
}

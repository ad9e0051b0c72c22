import { KubeConfig, Watch } from '@kubernetes/client-node'
import { createKubernetesRegistry } from '@sd/registry-kubernetes'
import { findServer, startKubernetes } from '@sd/test-servers'
import type { Finding } from '../report.ts'
import { measureFootprint } from './footprint.ts'
import { compareWatches } from './propagation.ts'

/** Compares Kubernetes with the watch of the bare library. */
export async function benchKubernetes(): Promise<readonly Finding[]> {
  const [kubernetes, etcd] = [await findServer('kubernetes', { own: true }), await findServer('etcd', { own: true })]
  if (!kubernetes || !etcd) return []
  const server = await startKubernetes({ kubernetes, etcd })
  const open = (port: number) => createKubernetesRegistry({ kubeconfig: server.kubeconfig({ port, namespace: 'default' }) })
  const footprint = await measureFootprint({ name: 'kubernetes', port: server.port, open })
  const propagation = await compareWatches({
    name: 'kubernetes',
    open: () => open(server.port),
    async watchBare(seen) {
      const config = new KubeConfig()
      config.loadFromString(server.kubeconfig({ namespace: 'default' }))
      const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
      const request = await new Watch(config).watch(
        path,
        {},
        (_, slice) => seen(JSON.stringify(slice)),
        () => undefined,
      )
      return () => request.abort()
    },
    close: () => server.close(),
  })
  return [...propagation, ...footprint]
}

import { randomUUID } from 'node:crypto'
import type { Registry } from '@sd/core'
import {
  type FaultyLink,
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
      const links = new Map<Registry, FaultyLink>()
      return {
        async open() {
          const link = await proxy.link(server.port)
          const kubeconfig = server.kubeconfig({ port: link.port, namespace })
          const registry = createKubernetesRegistry({ kubeconfig, operationTimeoutMs: 4_000 })
          links.set(registry, link)
          return registry
        },
        setConnected: (registry, connected) => {
          const link = links.get(registry)
          return connected ? link?.restore() : link?.cut()
        },
        dispose: async () => void (await Promise.all([...links.values()].map((link) => link.close()))),
      }
    },
  })
  for (const { name, run } of contract) test(name, { timeout: 60_000 }, run)
})

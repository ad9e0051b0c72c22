import { randomUUID } from 'node:crypto'
import type { ReadOnlyRegistry, Registry } from '@sd/core'
import { createConsulRegistry } from '@sd/registry-consul'
import { createDnsRegistry } from '@sd/registry-dns'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { createKubernetesRegistry } from '@sd/registry-kubernetes'
import { createMemoryRegistry } from '@sd/registry-memory'
import { createNacosRegistry } from '@sd/registry-nacos'
import { createZooKeeperRegistry } from '@sd/registry-zookeeper'
import {
  obtainServer,
  type ServerName,
  type ServerSource,
  startConsul,
  startDns,
  startEtcd,
  startKubernetes,
  startNacos,
  startNacosFront,
  startZooKeeper,
} from '@sd/test-servers'

/** A registry with a server of its own. */
export interface RunningRegistry {
  readonly source: ReadOnlyRegistry
  /** Adds an instance of the service `orders`. @returns a function that removes it */
  join(port: number): Promise<() => Promise<unknown>>
  close(): Promise<unknown>
}

/** A kind of registry. */
export interface RegistryKind {
  readonly name: string
  readonly needs: readonly ServerName[]
  /** Time after which callers know of a change, in milliseconds. */
  readonly settleMs: number
  /** @param sources of the servers that it needs, in their order */
  start(sources: readonly ServerSource[]): Promise<RunningRegistry>
}

/** Kubernetes refuses loopback addresses. Callers connect to the port on loopback, whatever the address. */
const address = '10.0.0.1'

/** A registry that instances register with. */
function writable(registry: Registry, close: () => Promise<unknown> = async () => undefined): RunningRegistry {
  return {
    source: registry,
    async join(port) {
      const registration = await registry.register({ service: 'orders', address, port })
      return () => registration.deregister()
    },
    async close() {
      await registry.close()
      await close()
    },
  }
}

async function startDnsZone(source: ServerSource): Promise<RunningRegistry> {
  const server = await startDns(source)
  const ports = new Set<number>()
  const publish = () =>
    server.publish(
      'edge.test',
      [...ports].flatMap((port) => [`_orders._tcp SRV 0 1 ${port} i${port}`, `i${port} A 127.0.0.1`]),
    )
  const registry = createDnsRegistry({ servers: [`127.0.0.1:${server.port}`], domain: 'edge.test', minTtlMs: 100 })
  return {
    source: registry,
    async join(port) {
      ports.add(port)
      await publish()
      return () => {
        ports.delete(port)
        return publish()
      }
    },
    async close() {
      await registry.close()
      await server.close()
    },
  }
}

/** All registries in which instances can join and leave. */
export const registries: readonly RegistryKind[] = [
  { name: 'memory', needs: [], settleMs: 1_000, start: async () => writable(createMemoryRegistry()) },
  {
    name: 'consul',
    needs: ['consul'],
    settleMs: 1_000,
    async start([source]) {
      const server = await startConsul(source as ServerSource)
      return writable(createConsulRegistry({ servers: [`127.0.0.1:${server.port}`] }), server.close)
    },
  },
  {
    name: 'etcd',
    needs: ['etcd'],
    settleMs: 1_000,
    async start([source]) {
      const server = await startEtcd(source as ServerSource)
      return writable(createEtcdRegistry({ servers: [`127.0.0.1:${server.port}`] }), server.close)
    },
  },
  {
    name: 'zookeeper',
    needs: ['zookeeper'],
    settleMs: 1_000,
    async start([source]) {
      const server = await startZooKeeper(source as ServerSource)
      return writable(createZooKeeperRegistry({ servers: [`127.0.0.1:${server.port}`] }), server.close)
    },
  },
  {
    name: 'nacos',
    needs: ['nacos'],
    settleMs: 2_000,
    async start([source]) {
      const server = await startNacos(source as ServerSource)
      const front = await startNacosFront(server)
      const registry = createNacosRegistry({ servers: [`127.0.0.1:${front.port}`], grpcPortOffset: 0 })
      return writable(registry, () => Promise.all([front.close(), server.close()]))
    },
  },
  {
    name: 'kubernetes',
    needs: ['etcd', 'kubernetes'],
    settleMs: 1_000,
    async start([etcd, kubernetes]) {
      const server = await startKubernetes({ etcd: etcd as ServerSource, kubernetes: kubernetes as ServerSource })
      const namespace = `edge-${randomUUID()}`
      await server.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
      const registry = createKubernetesRegistry({ kubeconfig: server.kubeconfig({ namespace }) })
      return writable(registry, server.close)
    },
  },
  { name: 'dns', needs: ['dns'], settleMs: 4_000, start: ([source]) => startDnsZone(source as ServerSource) },
]

/** Finds the servers of a registry; `undefined` if one is missing. */
export async function obtainServers({ needs }: RegistryKind): Promise<readonly ServerSource[] | undefined> {
  const sources = await Promise.all(needs.map((name) => obtainServer(name, { own: true })))
  return sources.includes(undefined) ? undefined : (sources as readonly ServerSource[])
}

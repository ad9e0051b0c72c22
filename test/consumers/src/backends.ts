import { createConsulConfigSource } from '@sd/config-consul'
import { createEtcdConfigSource } from '@sd/config-etcd'
import { createKubernetesConfigSource } from '@sd/config-kubernetes'
import { createNacosConfigSource } from '@sd/config-nacos'
import { createZooKeeperConfigSource } from '@sd/config-zookeeper'
import type { Registry, WritableConfigSource } from '@sd/core'
import { createConsulRegistry } from '@sd/registry-consul'
import { createEtcdRegistry } from '@sd/registry-etcd'
import { createKubernetesRegistry } from '@sd/registry-kubernetes'
import { createNacosRegistry } from '@sd/registry-nacos'
import { createZooKeeperRegistry } from '@sd/registry-zookeeper'
import {
  type ServerName,
  type ServerSource,
  startConsul,
  startEtcd,
  startKubernetes,
  startNacos,
  startNacosFront,
  startZooKeeper,
  type TestServer,
} from '@sd/test-servers'
import type { OutageKind } from './outages.ts'

/** A server on loopback. */
type Server = TestServer & { readonly port: number }

/** A running backend and its clients. Clients of one scope see each other, and no others. */
export interface RunningBackend {
  readonly server: Server
  /** Prepares a scope, if the backend requires it. */
  readonly prepare?: (scope: string) => Promise<unknown>
  readonly openRegistry: (port: number, scope: string) => Registry
  readonly openConfig: (port: number, scope: string) => WritableConfigSource
}

/** A backend for registrations and configuration. */
export interface Backend {
  readonly name: string
  /** The servers that it needs. */
  readonly needs: readonly ServerName[]
  /** Lifetime of a registration in these tests, in milliseconds. */
  readonly ttlMs: number
  /** Key of a YAML document in its configuration. */
  readonly key: string
  /** Long outages of its registry in `pnpm test:faults`. @default without the server */
  readonly longOutages?: readonly OutageKind[]
  readonly start: (...sources: readonly ServerSource[]) => Promise<RunningBackend>
}

const operationTimeoutMs = 2_000
const ttlMs = 2_000
const key = 'orders.yaml'

const at = (port: number): readonly string[] => [`127.0.0.1:${port}`]

/** All backends for both. */
export const backends: readonly Backend[] = [
  {
    ...{ name: 'consul', needs: ['consul'], ttlMs: 3_000, key },
    async start(consul) {
      return {
        server: await startConsul(consul as ServerSource),
        openRegistry: (port, scope) => createConsulRegistry({ servers: at(port), prefix: `${scope}-`, operationTimeoutMs }),
        openConfig: (port, prefix) => createConsulConfigSource({ servers: at(port), prefix, operationTimeoutMs }),
      }
    },
  },
  {
    ...{ name: 'etcd', needs: ['etcd'], ttlMs, key },
    async start(etcd) {
      return {
        server: await startEtcd(etcd as ServerSource),
        openRegistry: (port, scope) => createEtcdRegistry({ servers: at(port), prefix: `/${scope}`, ttlMs, operationTimeoutMs }),
        openConfig: (port, scope) => createEtcdConfigSource({ servers: at(port), prefix: `/${scope}`, operationTimeoutMs }),
      }
    },
  },
  {
    ...{ name: 'nacos', needs: ['nacos'], ttlMs, key },
    longOutages: ['until the server starts empty', 'of a paused server', 'in a black hole'],
    async start(nacos) {
      const server = await startNacos(nacos as ServerSource, { unhealthyAfterSeconds: 2, removeAfterSeconds: 4 })
      const front = await startNacosFront(server)
      const shared = { api: 'grpc', grpcPortOffset: 0, refreshIntervalMs: 200, operationTimeoutMs } as const
      return {
        server: { ...server, port: front.port, close: async () => void (await Promise.all([front.close(), server.close()])) },
        openRegistry: (port, namespace) => createNacosRegistry({ servers: at(port), namespace, ttlMs, ...shared }),
        openConfig: (port, namespace) => createNacosConfigSource({ servers: at(port), namespace, dataIds: [key], ...shared }),
      }
    },
  },
  {
    ...{ name: 'zookeeper', needs: ['zookeeper'], ttlMs, key },
    async start(zookeeper) {
      const shared = { sessionTimeoutMs: ttlMs, operationTimeoutMs: 3_000 }
      return {
        server: await startZooKeeper(zookeeper as ServerSource),
        openRegistry: (port, scope) => createZooKeeperRegistry({ servers: at(port), prefix: `/${scope}`, ...shared }),
        openConfig: (port, scope) => createZooKeeperConfigSource({ servers: at(port), prefix: `/${scope}`, ...shared }),
      }
    },
  },
  {
    ...{ name: 'kubernetes', needs: ['kubernetes', 'etcd'], ttlMs: 3_000, key: 'orders/app.yaml' },
    async start(kubernetes, etcd) {
      const server = await startKubernetes({ kubernetes, etcd } as { kubernetes: ServerSource; etcd: ServerSource })
      return {
        server,
        prepare: (name) => server.call('POST', '/api/v1/namespaces', { metadata: { name } }),
        openRegistry: (port, scope) =>
          createKubernetesRegistry({
            ...{ kubeconfig: server.kubeconfig({ port }), labels: { scope }, labelSelector: `scope=${scope}` },
            ...{ ttlMs: 3_000, operationTimeoutMs },
          }),
        openConfig: (port, namespace) =>
          createKubernetesConfigSource({
            ...{ kubeconfig: server.kubeconfig({ port, namespace }), configMaps: ['orders'], operationTimeoutMs },
          }),
      }
    },
  },
]

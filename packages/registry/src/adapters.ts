import type { ReadOnlyRegistry } from '@sd/core'
import type { AdapterPackage } from '@sd/factory-kit'
import { composeFailover } from './failover-members.ts'

const asItIs = (namespace: string): string => namespace

/** The adapters of this project, by type. */
export const adapters: Readonly<Record<string, AdapterPackage<ReadOnlyRegistry>>> = {
  consul: {
    package: '@sd/registry-consul',
    create: 'createConsulRegistry',
    url: { hosts: 'servers', secret: 'token', namespace: { option: 'prefix', toValue: (namespace) => `${namespace}-` } },
  },
  etcd: {
    package: '@sd/registry-etcd',
    create: 'createEtcdRegistry',
    url: {
      hosts: 'servers',
      credentials: 'credentials',
      path: { option: 'prefix', keepsSlash: true },
      namespace: { option: 'prefix', toValue: (namespace) => `/${namespace}` },
    },
  },
  zookeeper: {
    package: '@sd/registry-zookeeper',
    create: 'createZooKeeperRegistry',
    url: {
      hosts: 'servers',
      credentials: 'credentials',
      path: { option: 'prefix', keepsSlash: true },
      namespace: { option: 'prefix', toValue: (namespace) => `/${namespace}` },
    },
  },
  nacos: {
    package: '@sd/registry-nacos',
    create: 'createNacosRegistry',
    url: { hosts: 'servers', credentials: 'credentials', namespace: { option: 'namespace', toValue: asItIs } },
  },
  kubernetes: {
    package: '@sd/registry-kubernetes',
    create: 'createKubernetesRegistry',
    url: { path: { option: 'namespace', keepsSlash: false }, namespace: { option: 'namespace', toValue: asItIs } },
  },
  dns: {
    package: '@sd/registry-dns',
    create: 'createDnsRegistry',
    url: { hosts: 'servers', path: { option: 'domain', keepsSlash: false } },
  },
  static: {
    package: '@sd/registry-static',
    create: 'createStaticRegistry',
    url: { path: { option: 'file', keepsSlash: true } },
  },
  memory: { package: '@sd/registry-memory', create: 'createMemoryRegistry', url: {} },
  failover: { package: '@sd/registry-failover', create: 'createFailoverRegistry', url: {}, compose: composeFailover },
}

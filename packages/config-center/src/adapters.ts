import type { ConfigSource } from '@sd/core'
import type { AdapterPackage, UrlMapping } from '@sd/factory-kit'

/** Parts of the URL of a store of keys below a prefix. */
const keyed = { hosts: 'servers', lists: ['keys'] } as const

const slashed: UrlMapping = {
  ...keyed,
  credentials: 'credentials',
  path: { option: 'prefix', keepsSlash: true },
  namespace: { option: 'prefix', toValue: (namespace) => `/${namespace}` },
}

/** The adapters of this project, by type. */
export const adapters: Readonly<Record<string, AdapterPackage<ConfigSource>>> = {
  consul: {
    package: '@sd/config-consul',
    create: 'createConsulConfigSource',
    url: {
      ...keyed,
      secret: 'token',
      path: { option: 'prefix', keepsSlash: false },
      namespace: { option: 'prefix', toValue: (namespace) => namespace },
    },
  },
  etcd: { package: '@sd/config-etcd', create: 'createEtcdConfigSource', url: slashed },
  zookeeper: { package: '@sd/config-zookeeper', create: 'createZooKeeperConfigSource', url: slashed },
  nacos: {
    package: '@sd/config-nacos',
    create: 'createNacosConfigSource',
    url: { hosts: 'servers', credentials: 'credentials', lists: ['dataIds'] },
  },
  kubernetes: {
    package: '@sd/config-kubernetes',
    create: 'createKubernetesConfigSource',
    url: { path: { option: 'namespace', keepsSlash: false }, lists: ['configMaps', 'secrets'] },
  },
  file: {
    package: '@sd/config-file',
    create: 'createFileConfigSource',
    url: { path: { option: 'path', keepsSlash: true, folderOption: 'directory' }, lists: ['keys'] },
  },
  env: {
    package: '@sd/config-env',
    create: 'createEnvConfigSource',
    url: { path: { option: 'prefix', keepsSlash: false }, lists: ['secrets'] },
  },
  memory: { package: '@sd/config', create: 'createMemoryConfigSource', url: {} },
}

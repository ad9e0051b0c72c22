/** An adapter package, loaded when a configuration names its type. */
export interface Adapter {
  /** The npm package. */
  readonly package: string
  /** The exported function that creates the registry. */
  readonly create: string
  /** Maps the parts of a URL to options; a part without an option is refused. */
  readonly url: UrlMapping
}

/** The option that each part of `type://user:password@host:port/path?namespace=…` sets. */
export interface UrlMapping {
  /** Hosts, as a list of `host:port`. */
  readonly hosts?: string
  /** User and password together. */
  readonly credentials?: string
  /** The password alone, or the user if there is no password. */
  readonly secret?: string
  /** The path, with its leading slash, or without it where the option is a name. */
  readonly path?: { readonly option: string; readonly keepsSlash: boolean }
  /** Option that separates the users of one backend, for `?namespace=`. */
  readonly namespace?: { readonly option: string; readonly toValue: (namespace: string) => string }
}

const asItIs = (namespace: string): string => namespace

/** The adapters of this project, by type. */
export const adapters: Readonly<Record<string, Adapter>> = {
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
  failover: { package: '@sd/registry-failover', create: 'createFailoverRegistry', url: {} },
}

import type { Lock } from '@sd/core'
import type { AdapterPackage } from '@sd/factory-kit'

/** The adapters of this project, by type. */
export const adapters: Readonly<Record<string, AdapterPackage<Lock>>> = {
  consul: {
    package: '@sd/lock-consul',
    create: 'createConsulLock',
    url: {
      hosts: 'servers',
      secret: 'token',
      path: { option: 'prefix', keepsSlash: false },
      namespace: { option: 'prefix', toValue: (namespace) => namespace },
    },
  },
  etcd: {
    package: '@sd/lock-etcd',
    create: 'createEtcdLock',
    url: {
      hosts: 'servers',
      credentials: 'credentials',
      path: { option: 'prefix', keepsSlash: true },
      namespace: { option: 'prefix', toValue: (namespace) => `/${namespace}` },
    },
  },
}

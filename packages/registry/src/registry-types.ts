import type { ReadOnlyRegistry } from '@sd/core'
import { type BackendConfig, type BackendFactory, type BackendType, createBackendFactory } from '@sd/factory-kit'
import { adapters } from './adapters.ts'

/**
 * Options of a registry together with its type: `consul`, `etcd`, `zookeeper`, `nacos`, `kubernetes`, `dns`, `static`,
 * `memory`, `failover`, or one of your own. Give the adapter's type of options to have them checked by the compiler:
 * `RegistryConfig<ConsulRegistryOptions>`.
 */
export type RegistryConfig<Options extends object = Readonly<Record<string, unknown>>> = BackendConfig<Options>

/** A registry type of your own that configurations can name. */
export type RegistryType<Options = unknown> = BackendType<ReadOnlyRegistry, Options>

/** Registry types of your own, by name. They take precedence over the built-in types. */
export type RegistryTypes = Readonly<Record<string, RegistryType>>

/** Creates registries from URLs and configurations. */
export const factory: BackendFactory<ReadOnlyRegistry> = createBackendFactory<ReadOnlyRegistry>({
  noun: 'registry',
  field: 'registry',
  method: 'getInstances',
  adapters,
  importPackage: (name) => import(name),
})

/**
 * Parses `type[+tls]://[user[:password]@]host[:port][,host…][/path][?option=value&…]`. Numbers, `true` and `false` are
 * converted. `tls.ca`, `tls.cert` and `tls.key` are paths of PEM files.
 *
 * @throws SdError `SD_INVALID` that names the part and never contains the user or password
 */
export function parseRegistryUrl(url: string): RegistryConfig {
  return factory.parseUrl(url)
}

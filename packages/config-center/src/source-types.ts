import type { ConfigSource } from '@sd/core'
import { type BackendConfig, type BackendFactory, type BackendType, createBackendFactory } from '@sd/factory-kit'
import { adapters } from './adapters.ts'

/**
 * Options of a configuration source together with its type: `consul`, `etcd`, `zookeeper`, `nacos`, `kubernetes`, `file`,
 * `env`, `memory`, or one of your own. Give the adapter's type of options to have them checked by the compiler:
 * `ConfigSourceConfig<EtcdConfigSourceOptions>`.
 */
export type ConfigSourceConfig<Options extends object = Readonly<Record<string, unknown>>> = BackendConfig<Options>

/** A type of source of your own that configurations can name. */
export type ConfigSourceType<Options = unknown> = BackendType<ConfigSource, Options>

/** Types of sources of your own, by name. They take precedence over the built-in types. */
export type ConfigSourceTypes = Readonly<Record<string, ConfigSourceType>>

/** Creates configuration sources from URLs and configurations. */
export const factory: BackendFactory<ConfigSource> = createBackendFactory<ConfigSource>({
  noun: 'configuration source',
  field: 'source',
  method: 'load',
  adapters,
  importPackage: (name) => import(name),
})

/**
 * Parses `type[+tls]://[user[:password]@]host[:port][,host…][/path][?option=value&…]`, as `parseRegistryUrl` of
 * `@sd/registry` does. Options that are lists, such as `keys` and `dataIds`, are split at commas.
 *
 * @throws SdError `SD_INVALID` that names the part and never contains the user or password
 */
export function parseConfigSourceUrl(url: string): ConfigSourceConfig {
  return factory.parseUrl(url)
}

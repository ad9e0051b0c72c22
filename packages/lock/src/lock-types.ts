import type { Lock } from '@sd/core'
import { type BackendConfig, type BackendFactory, type BackendType, createBackendFactory } from '@sd/factory-kit'
import { adapters } from './adapters.ts'

/**
 * Options of a lock together with its type: `consul`, `etcd`, or one of your own. Give the adapter's type of options to
 * have them checked by the compiler: `LockConfig<EtcdLockOptions>`.
 */
export type LockConfig<Options extends object = Readonly<Record<string, unknown>>> = BackendConfig<Options>

/** A type of lock of your own that configurations can name. */
export type LockType<Options = unknown> = BackendType<Lock, Options>

/** Types of locks of your own, by name. They take precedence over the built-in types. */
export type LockTypes = Readonly<Record<string, LockType>>

/** Creates locks from URLs and configurations. */
export const factory: BackendFactory<Lock> = createBackendFactory<Lock>({
  noun: 'lock',
  field: 'lock',
  method: 'acquire',
  adapters,
  importPackage: (name) => import(name),
})

/**
 * Parses `type[+tls]://[user[:password]@]host[:port][,host…][/path][?option=value&…]`, as `parseRegistryUrl` of
 * `@sd/registry` does.
 *
 * @throws SdError `SD_INVALID` that names the part and never contains the user or password
 */
export function parseLockUrl(url: string): LockConfig {
  return factory.parseUrl(url)
}

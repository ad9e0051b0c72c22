import { checkKnownKeys, checkObject, type Lock } from '@sd/core'
import { factory, type LockConfig, type LockTypes } from './lock-types.ts'

/** Options of `createLock` besides the configuration. */
export interface CreateLockOptions {
  /** Types of locks of your own, by name. They take precedence over the built-in types. @default {} */
  readonly types?: LockTypes
}

/**
 * Creates locks from a URL or a configuration object. The adapter is loaded on demand, so install the package of each
 * type that you use.
 *
 * Give the type of the options to have them checked by the compiler: `createLock<EtcdLockOptions>({ type: 'etcd', ttlMs:
 * 10_000 })`.
 *
 * @param config such as `'consul://10.0.0.1:8500/?ttlMs=10000'` or `{ type: 'etcd', servers: ['10.0.0.1:2379'] }`
 * @throws SdError `SD_INVALID` with the path of the invalid field; `SD_NOT_FOUND` if the adapter is not installed
 */
export async function createLock<Options extends object = Readonly<Record<string, unknown>>>(
  config: string | LockConfig<Options>,
  options: CreateLockOptions = {},
): Promise<Lock> {
  checkKnownKeys('', checkObject('options', options), ['types'])
  return factory.create(config, options.types)
}

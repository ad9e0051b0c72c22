import { checkKnownKeys, checkObject, type ReadOnlyRegistry, type Registry, SdError } from '@sd/core'
import { factory, type RegistryConfig, type RegistryTypes } from './registry-types.ts'

/** Options of `createRegistry` besides the configuration. */
export interface CreateRegistryOptions {
  /** Registry types of your own, by name. They take precedence over the built-in types. @default {} */
  readonly types?: RegistryTypes
}

/**
 * Creates a registry from a URL or a configuration object. The adapter is loaded on demand, so install the package of
 * each type that you use.
 *
 * Give the type of the options to have them checked by the compiler: `createRegistry<ConsulRegistryOptions>({ type:
 * 'consul', ttlMs: 10_000 })`.
 *
 * @param config such as `'consul://10.0.0.1:8500/?ttlMs=10000'` or `{ type: 'etcd', servers: ['10.0.0.1:2379'] }`
 * @throws SdError `SD_INVALID` with the path of the invalid field; `SD_NOT_FOUND` if the adapter is not installed;
 * `SD_UNSUPPORTED` for a read-only type
 */
export async function createRegistry<Options extends object = Readonly<Record<string, unknown>>>(
  config: string | RegistryConfig<Options>,
  options: CreateRegistryOptions = {},
): Promise<Registry> {
  const source = await createDiscoverySource(config, options)
  if (isRegistry(source)) return source
  await source.close()
  throw new SdError('SD_UNSUPPORTED', `${source.name} is read-only and cannot register instances: use createDiscoverySource`)
}

/** Like {@link createRegistry}, but also accepts read-only types, such as `dns` and `static`. */
export async function createDiscoverySource<Options extends object = Readonly<Record<string, unknown>>>(
  config: string | RegistryConfig<Options>,
  options: CreateRegistryOptions = {},
): Promise<ReadOnlyRegistry> {
  checkKnownKeys('', checkObject('options', options), ['types'])
  return factory.create(config, options.types)
}

function isRegistry(source: ReadOnlyRegistry): source is Registry {
  return source.capabilities.register && typeof (source as Partial<Registry>).register === 'function'
}

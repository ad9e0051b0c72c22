import { checkKnownKeys, checkObject, type ReadOnlyRegistry, type Registry, SdError } from '@sd/core'
import { buildSource, type RegistryTypes } from './registry-types.ts'
import type { RegistryConfig } from './registry-url.ts'

/** Options of `createRegistry` beside the configuration. */
export interface CreateRegistryOptions {
  /** Registries of your own by type; they win over those of this project. @default {} */
  readonly types?: RegistryTypes
}

/**
 * Builds a registry from a URL or a configuration. Its adapter is loaded now: install the package of the type that you use.
 *
 * The compiler checks the options if their type is given: `createRegistry<ConsulRegistryOptions>({ type: 'consul', ttlMs: 10_000 })`.
 *
 * @param config such as `'consul://10.0.0.1:8500/?ttlMs=10000'` or `{ type: 'etcd', servers: ['10.0.0.1:2379'] }`
 * @throws SdError `SD_INVALID` with the path of the wrong field; `SD_NOT_FOUND` when the adapter is not installed; `SD_UNSUPPORTED` for a type
 * that only finds
 */
export async function createRegistry<Options extends object = Readonly<Record<string, unknown>>>(
  config: string | RegistryConfig<Options>,
  options: CreateRegistryOptions = {},
): Promise<Registry> {
  const source = await createDiscoverySource(config, options)
  if (isRegistry(source)) return source
  await source.close()
  throw new SdError('SD_UNSUPPORTED', `${source.name} finds instances and registers none: use createDiscoverySource`)
}

/** Like {@link createRegistry}, for every type: also for those that register nothing, such as `dns` and `static`. */
export async function createDiscoverySource<Options extends object = Readonly<Record<string, unknown>>>(
  config: string | RegistryConfig<Options>,
  options: CreateRegistryOptions = {},
): Promise<ReadOnlyRegistry> {
  checkKnownKeys('', checkObject('options', options), ['types'])
  return buildSource(config as string | RegistryConfig, options.types ?? {})
}

function isRegistry(source: ReadOnlyRegistry): source is Registry {
  return source.capabilities.register && typeof (source as Partial<Registry>).register === 'function'
}

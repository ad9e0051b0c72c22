import { type ConfigSource, checkKnownKeys, checkObject, SdError, type WritableConfigSource } from '@sd/core'
import { type ConfigSourceConfig, type ConfigSourceTypes, factory } from './source-types.ts'

/** Options of `createConfigSource` besides the configuration. */
export interface CreateConfigSourceOptions {
  /** Types of sources of your own, by name. They take precedence over the built-in types. @default {} */
  readonly types?: ConfigSourceTypes
}

/**
 * Creates a configuration source from a URL or a configuration object. The adapter is loaded on demand, so install the
 * package of each type that you use.
 *
 * Give the type of the options to have them checked by the compiler: `createConfigSource<EtcdConfigSourceOptions>({ type:
 * 'etcd', prefix: '/orders' })`.
 *
 * @param config such as `'etcd://10.0.0.1:2379/orders'` or `{ type: 'file', directory: '/etc/orders' }`
 * @throws SdError `SD_INVALID` with the path of the invalid field; `SD_NOT_FOUND` if the adapter is not installed
 */
export async function createConfigSource<Options extends object = Readonly<Record<string, unknown>>>(
  config: string | ConfigSourceConfig<Options>,
  options: CreateConfigSourceOptions = {},
): Promise<ConfigSource> {
  checkKnownKeys('', checkObject('options', options), ['types'])
  return factory.create(config, options.types)
}

/** Like {@link createConfigSource}. @throws also SdError `SD_UNSUPPORTED` for a read-only type, such as `env` */
export async function createWritableConfigSource<Options extends object = Readonly<Record<string, unknown>>>(
  config: string | ConfigSourceConfig<Options>,
  options: CreateConfigSourceOptions = {},
): Promise<WritableConfigSource> {
  const source = await createConfigSource(config, options)
  if (isWritable(source)) return source
  await source.close()
  throw new SdError('SD_UNSUPPORTED', `${source.name} is read-only and cannot write entries: use createConfigSource`)
}

function isWritable(source: ConfigSource): source is WritableConfigSource {
  return source.capabilities.write && typeof (source as Partial<WritableConfigSource>).put === 'function'
}

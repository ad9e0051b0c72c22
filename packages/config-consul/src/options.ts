import {
  CONNECTION_OPTIONS,
  type ConsulConnectionOptions,
  type ConsulConnectionSettings,
  checkPrefix,
  readConnectionOptions,
} from '@sd/connection-consul'
import { type ConfigFormat, checkConfigKeys, checkFormat, checkKnownKeys, checkName, checkObject } from '@sd/core'

/** Options of `createConsulConfigSource`. */
export interface ConsulConfigSourceOptions extends ConsulConnectionOptions {
  /** Path that all keys begin with; the key of an entry is what follows `<prefix>/`. @default 'sd/config' */
  readonly prefix?: string
  /** The keys that count, in the order in which they are merged: later ones win. @default all below the prefix, sorted */
  readonly keys?: readonly string[]
  /** How every text is read. @default what its key's extension says, such as `.yaml`; without one as `text`, a single value at the path of its key */
  readonly format?: ConfigFormat
  /** Name for messages, logs and metrics. @default 'config-consul' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ConsulConfigSettings extends ConsulConnectionSettings {
  readonly prefix: string
  readonly keys: readonly string[] | undefined
  readonly format: ConfigFormat | undefined
}

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function readOptions(options: ConsulConfigSourceOptions): ConsulConfigSettings {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', 'keys', 'format', 'name'])
  const { keys, format } = options
  return {
    ...readConnectionOptions(options, checkName('name', options.name ?? 'config-consul')),
    prefix: checkPrefix(options.prefix ?? 'sd/config'),
    keys: keys && checkConfigKeys(keys),
    format: format && checkFormat('format', format),
  }
}

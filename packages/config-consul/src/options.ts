import { CONFIG_SELECTION_OPTIONS, type ConfigSelection, type ConfigSelectionOptions, readSelection } from '@sd/adapter-kit'
import {
  CONNECTION_OPTIONS,
  type ConsulConnectionOptions,
  checkPrefix,
  type ResolvedConsulConnectionOptions,
  resolveConsulConnectionOptions,
} from '@sd/connection-consul'
import { checkKnownKeys, checkName, checkObject } from '@sd/core'

/** Options of `createConsulConfigSource`. */
export interface ConsulConfigSourceOptions extends ConsulConnectionOptions, ConfigSelectionOptions {
  /** Path of the configuration; the key of an entry is the rest of its path after `<prefix>/`. @default 'sd/config' */
  readonly prefix?: string
  /** Name in messages, logs and metrics. @default 'config-consul' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedConsulConfigSourceOptions extends ResolvedConsulConnectionOptions, ConfigSelection {
  readonly prefix: string
}

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveConsulConfigSourceOptions(options: ConsulConfigSourceOptions): ResolvedConsulConfigSourceOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', ...CONFIG_SELECTION_OPTIONS, 'name'])
  return {
    ...resolveConsulConnectionOptions(options, checkName('name', options.name ?? 'config-consul')),
    prefix: checkPrefix(options.prefix ?? 'sd/config'),
    ...readSelection(options),
  }
}

import { CONFIG_SELECTION_OPTIONS, type ConfigSelection, type ConfigSelectionOptions, readSelection } from '@sd/adapter-kit'
import {
  CONNECTION_OPTIONS,
  checkPrefix,
  type EtcdConnectionOptions,
  type ResolvedEtcdConnectionOptions,
  resolveEtcdConnectionOptions,
} from '@sd/connection-etcd'
import { checkKnownKeys, checkName, checkObject } from '@sd/core'

/** Options of `createEtcdConfigSource`. */
export interface EtcdConfigSourceOptions extends EtcdConnectionOptions, ConfigSelectionOptions {
  /** Path of the configuration; the key of an entry is the rest of its path after `<prefix>/`. @default '/sd/config' */
  readonly prefix?: string
  /** Name in messages, logs and metrics. @default 'config-etcd' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedEtcdConfigSourceOptions extends ResolvedEtcdConnectionOptions, ConfigSelection {
  readonly prefix: string
}

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveEtcdConfigSourceOptions(options: EtcdConfigSourceOptions): ResolvedEtcdConfigSourceOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', ...CONFIG_SELECTION_OPTIONS, 'name'])
  return {
    ...resolveEtcdConnectionOptions(options, checkName('name', options.name ?? 'config-etcd')),
    prefix: checkPrefix(options.prefix ?? '/sd/config'),
    ...readSelection(options),
  }
}

import {
  CONFIG_SELECTION_OPTIONS,
  type ConfigSelection,
  type ConfigSelectionOptions,
  checkConfigKey,
  readSelection,
} from '@sd/adapter-kit'
import {
  CONNECTION_OPTIONS,
  checkPath,
  type ResolvedZooKeeperConnectionOptions,
  resolveZooKeeperConnectionOptions,
  type ZooKeeperConnectionOptions,
} from '@sd/connection-zookeeper'
import { checkKnownKeys, checkName, checkObject } from '@sd/core'

/** Options of `createZooKeeperConfigSource`. */
export interface ZooKeeperConfigSourceOptions extends ZooKeeperConnectionOptions, ConfigSelectionOptions {
  /** Path of the configuration; the key of an entry is the rest of its path after `<prefix>/`. Created if missing. @default '/sd/config' */
  readonly prefix?: string
  /** Name in messages, logs and metrics. @default 'config-zookeeper' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedZooKeeperConfigSourceOptions extends ResolvedZooKeeperConnectionOptions, ConfigSelection {
  /** The prefix, including the chroot. */
  readonly root: string
}

/** Validates the options and fills in defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveZooKeeperConfigSourceOptions(options: ZooKeeperConfigSourceOptions): ResolvedZooKeeperConfigSourceOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', ...CONFIG_SELECTION_OPTIONS, 'name'])
  const connection = resolveZooKeeperConnectionOptions(options, checkName('name', options.name ?? 'config-zookeeper'))
  return {
    ...connection,
    root: connection.chroot + checkPath('prefix', options.prefix ?? '/sd/config'),
    ...readSelection(options, checkKey),
  }
}

/** Validates a key whose path is valid in ZooKeeper. @throws SdError `SD_INVALID` */
export function checkKey(field: string, value: unknown): string {
  const key = checkConfigKey(field, value)
  checkPath(field, `/${key}`)
  return key
}

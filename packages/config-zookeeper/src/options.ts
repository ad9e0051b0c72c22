import {
  CONNECTION_OPTIONS,
  checkPath,
  readConnectionOptions,
  type ZooKeeperConnectionOptions,
  type ZooKeeperConnectionSettings,
} from '@sd/connection-zookeeper'
import { type ConfigFormat, checkConfigKey, checkConfigKeys, checkFormat, checkKnownKeys, checkName, checkObject } from '@sd/core'

/** Options of `createZooKeeperConfigSource`. */
export interface ZooKeeperConfigSourceOptions extends ZooKeeperConnectionOptions {
  /** Path of the configuration; the key of an entry is what follows `<prefix>/`. It is created where it is missing. @default '/sd/config' */
  readonly prefix?: string
  /** The keys that count, in the order in which they are merged: later ones win. @default every node below the prefix that has data, sorted */
  readonly keys?: readonly string[]
  /** How every text is read. @default what its key's extension says, such as `.yaml`; without one as `text`, a single value at the path of its key */
  readonly format?: ConfigFormat
  /** Name for messages, logs and metrics. @default 'config-zookeeper' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ZooKeeperConfigSettings extends ZooKeeperConnectionSettings {
  /** The prefix, chroot included. */
  readonly root: string
  readonly keys: readonly string[] | undefined
  readonly format: ConfigFormat | undefined
}

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function readOptions(options: ZooKeeperConfigSourceOptions): ZooKeeperConfigSettings {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', 'keys', 'format', 'name'])
  const { keys, format } = options
  const connection = readConnectionOptions(options, checkName('name', options.name ?? 'config-zookeeper'))
  return {
    ...connection,
    root: connection.chroot + checkPath('prefix', options.prefix ?? '/sd/config'),
    keys: keys && checkConfigKeys(keys, checkKey),
    format: format && checkFormat('format', format),
  }
}

/** Checks a key whose path ZooKeeper takes. @throws SdError `SD_INVALID` */
export function checkKey(field: string, value: unknown): string {
  const key = checkConfigKey(field, value)
  checkPath(field, `/${key}`)
  return key
}

import {
  CONNECTION_OPTIONS,
  checkPath,
  type ResolvedZooKeeperConnectionOptions,
  resolveZooKeeperConnectionOptions,
  type ZooKeeperConnectionOptions,
} from '@sd/connection-zookeeper'
import { checkBoolean, checkKnownKeys, checkName, checkObject } from '@sd/core'

/** Options of `createZooKeeperRegistry`. All instances live as long as the session, see `sessionTimeoutMs`. */
export interface ZooKeeperRegistryOptions extends ZooKeeperConnectionOptions {
  /** Path of the services; nodes are `<prefix>/<service>/<instance id>`. It is created where it is missing. @default '/sd/services' */
  readonly prefix?: string
  /** Whether instances are registered; `false` finds only, for a program that runs beside a shared registry. @default true */
  readonly enabled?: boolean
  /** Name for logs and metrics. @default 'zookeeper' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedZooKeeperRegistryOptions extends ResolvedZooKeeperConnectionOptions {
  /** Full path of the services, chroot included. */
  readonly root: string
  readonly enabled: boolean
}

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function resolveZooKeeperRegistryOptions(options: ZooKeeperRegistryOptions): ResolvedZooKeeperRegistryOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', 'enabled', 'name'])
  const connection = resolveZooKeeperConnectionOptions(options, checkName('name', options.name ?? 'zookeeper'))
  return {
    ...connection,
    root: connection.chroot + checkPath('prefix', options.prefix ?? '/sd/services'),
    enabled: checkBoolean('enabled', options.enabled ?? true),
  }
}

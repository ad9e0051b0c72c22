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
  /**
   * Path of the services; nodes are `<prefix>/<service>/<instance id>`. Created if it does not exist. @default
   * '/sd/services'
   */
  readonly prefix?: string
  /**
   * Whether to register instances. Set it to `false` for a program that uses a shared registry without registering
   * there. @default true
   */
  readonly enabled?: boolean
  /** Name of this registry in logs and metrics. @default 'zookeeper' */
  readonly name?: string
}

/** Options with defaults applied. */
export interface ResolvedZooKeeperRegistryOptions extends ResolvedZooKeeperConnectionOptions {
  /** Full path of the services, including the chroot. */
  readonly root: string
  readonly enabled: boolean
}

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveZooKeeperRegistryOptions(options: ZooKeeperRegistryOptions): ResolvedZooKeeperRegistryOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', 'enabled', 'name'])
  const connection = resolveZooKeeperConnectionOptions(options, checkName('name', options.name ?? 'zookeeper'))
  return {
    ...connection,
    root: connection.chroot + checkPath('prefix', options.prefix ?? '/sd/services'),
    enabled: checkBoolean('enabled', options.enabled ?? true),
  }
}

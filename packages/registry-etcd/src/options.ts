import {
  CONNECTION_OPTIONS,
  checkPrefix,
  type EtcdConnectionOptions,
  type ResolvedEtcdConnectionOptions,
  resolveEtcdConnectionOptions,
} from '@sd/connection-etcd'
import { checkBoolean, checkDuration, checkKnownKeys, checkName, checkObject } from '@sd/core'

/** Options of `createEtcdRegistry`. */
export interface EtcdRegistryOptions extends EtcdConnectionOptions {
  /** Prefix of all keys, which are `<prefix>/<service>/<instance id>`. @default '/sd/services' */
  readonly prefix?: string
  /**
   * Time to live without renewal, in milliseconds, for instances that do not set their own. etcd rounds up to seconds,
   * at least 2. @default 15_000
   */
  readonly ttlMs?: number
  /**
   * Whether to register instances. Set it to `false` for a program that uses a shared registry without registering
   * there. @default true
   */
  readonly enabled?: boolean
  /** Name of this registry in logs and metrics. @default 'etcd' */
  readonly name?: string
}

/** Options with defaults applied. */
export interface ResolvedEtcdRegistryOptions extends ResolvedEtcdConnectionOptions {
  readonly prefix: string
  readonly ttlMs: number
  readonly enabled: boolean
}

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveEtcdRegistryOptions(options: EtcdRegistryOptions): ResolvedEtcdRegistryOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', 'ttlMs', 'enabled', 'name'])
  return {
    ...resolveEtcdConnectionOptions(options, checkName('name', options.name ?? 'etcd')),
    prefix: checkPrefix(options.prefix ?? '/sd/services'),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    enabled: checkBoolean('enabled', options.enabled ?? true),
  }
}

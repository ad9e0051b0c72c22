import {
  CONNECTION_OPTIONS,
  checkPrefix,
  type EtcdConnectionOptions,
  type ResolvedEtcdConnectionOptions,
  resolveEtcdConnectionOptions,
} from '@sd/connection-etcd'
import { checkDuration, checkKnownKeys, checkName, checkObject } from '@sd/core'

/** Options of `createEtcdLock`. */
export interface EtcdLockOptions extends EtcdConnectionOptions {
  /** Prefix of all keys. @default '/sd/locks' */
  readonly prefix?: string
  /**
   * How long a lock outlives a holder that no longer responds, in milliseconds. etcd rounds up to seconds, at least 2.
   * The holder itself gives up after nine tenths of it.
   *
   * @default 15_000
   */
  readonly ttlMs?: number
  /** Name in messages. @default 'etcd' */
  readonly name?: string
}

/** Options with defaults applied. */
export interface ResolvedEtcdLockOptions extends ResolvedEtcdConnectionOptions {
  readonly prefix: string
  readonly ttlMs: number
}

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveEtcdLockOptions(options: EtcdLockOptions): ResolvedEtcdLockOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', 'ttlMs', 'name'])
  return {
    ...resolveEtcdConnectionOptions(options, checkName('name', options.name ?? 'etcd')),
    prefix: checkPrefix(options.prefix ?? '/sd/locks'),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 1_000),
  }
}

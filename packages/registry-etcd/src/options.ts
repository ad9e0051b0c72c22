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
  /** Path that all keys begin with; keys are `<prefix>/<service>/<instance id>`. @default '/sd/services' */
  readonly prefix?: string
  /** Lifetime of a lease without renewal for instances that name none, in milliseconds; etcd rounds up to seconds, at least 2. @default 15_000 */
  readonly ttlMs?: number
  /** Whether instances are registered; `false` finds only, for a program that runs beside a shared registry. @default true */
  readonly enabled?: boolean
  /** Name for logs and metrics. @default 'etcd' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedEtcdRegistryOptions extends ResolvedEtcdConnectionOptions {
  readonly prefix: string
  readonly ttlMs: number
  readonly enabled: boolean
}

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function resolveEtcdRegistryOptions(options: EtcdRegistryOptions): ResolvedEtcdRegistryOptions {
  checkKnownKeys('', checkObject('options', options), [...CONNECTION_OPTIONS, 'prefix', 'ttlMs', 'enabled', 'name'])
  return {
    ...resolveEtcdConnectionOptions(options, checkName('name', options.name ?? 'etcd')),
    prefix: checkPrefix(options.prefix ?? '/sd/services'),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    enabled: checkBoolean('enabled', options.enabled ?? true),
  }
}

import {
  CONNECTION_OPTIONS,
  checkGroup,
  checkLabel,
  type NacosConnectionOptions,
  type ResolvedNacosConnectionOptions,
  resolveNacosConnectionOptions,
} from '@sd/connection-nacos'
import { checkBoolean, checkDuration, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'

/** Options of `createNacosRegistry`. */
export interface NacosRegistryOptions extends NacosConnectionOptions {
  /** Group of all services. @default 'DEFAULT_GROUP' */
  readonly group?: string
  /** Cluster that instances are registered in. @default 'DEFAULT' */
  readonly cluster?: string
  /** Clusters whose instances are found. @default all */
  readonly clusters?: readonly string[]
  /** Lifetime without a heartbeat for instances that name none, in milliseconds. Heartbeats are sent every third of it. @default 15_000 */
  readonly ttlMs?: number
  /** How often a watched service, and the set of services, is asked for, in milliseconds; spread by 10 %. @default 1_000 */
  readonly refreshIntervalMs?: number
  /** Whether instances stay until they are deregistered, without heartbeats; Nacos then checks them itself. @default false */
  readonly persistent?: boolean
  /** Whether services are listed through the admin API of Nacos 3, which by default wants an administrator's credentials. @default false */
  readonly adminApi?: boolean
  /** Whether instances are registered; `false` finds only, for a program that runs beside a shared registry. @default true */
  readonly enabled?: boolean
  /** Name for logs and metrics. @default 'nacos' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedNacosRegistryOptions extends ResolvedNacosConnectionOptions {
  readonly group: string
  readonly cluster: string
  readonly clusters: readonly string[]
  readonly ttlMs: number
  readonly refreshIntervalMs: number
  readonly persistent: boolean
  readonly adminApi: boolean
  readonly enabled: boolean
}

const keys = [
  ...CONNECTION_OPTIONS,
  'group',
  'cluster',
  'clusters',
  'ttlMs',
  'refreshIntervalMs',
  'persistent',
  'adminApi',
  'enabled',
  'name',
]

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function resolveNacosRegistryOptions(options: NacosRegistryOptions): ResolvedNacosRegistryOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  return {
    ...resolveNacosConnectionOptions(options, checkName('name', options.name ?? 'nacos')),
    group: checkGroup('group', options.group ?? 'DEFAULT_GROUP'),
    cluster: checkLabel('cluster', options.cluster ?? 'DEFAULT'),
    clusters: checkClusters(options.clusters ?? []),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    refreshIntervalMs: checkDuration('refreshIntervalMs', options.refreshIntervalMs ?? 1_000, 50),
    persistent: checkBoolean('persistent', options.persistent ?? false),
    adminApi: checkBoolean('adminApi', options.adminApi ?? false),
    enabled: checkBoolean('enabled', options.enabled ?? true),
  }
}

function checkClusters(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > 64) throw invalidError('clusters', value, 'an array of at most 64 clusters')
  return value.map((one, index) => checkLabel(`clusters[${index}]`, one))
}

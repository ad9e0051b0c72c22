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
  /** Cluster in which instances are registered. @default 'DEFAULT' */
  readonly cluster?: string
  /** Clusters in which instances are found. @default all */
  readonly clusters?: readonly string[]
  /**
   * Time to live without a heartbeat, in milliseconds, for instances that do not set their own. A heartbeat is sent
   * every third of it. @default 15_000
   */
  readonly ttlMs?: number
  /**
   * Polling interval of a watched service, and of the list of services, in milliseconds, with 10 % jitter. @default
   * 1_000
   */
  readonly refreshIntervalMs?: number
  /** Whether instances stay until they are deregistered, without heartbeats; Nacos checks them itself. @default false */
  readonly persistent?: boolean
  /**
   * Whether to list services through the admin API of Nacos 3, which by default requires an administrator's
   * credentials. @default false
   */
  readonly adminApi?: boolean
  /**
   * Whether to register instances. Set it to `false` for a program that uses a shared registry without registering
   * there. @default true
   */
  readonly enabled?: boolean
  /** Name of this registry in logs and metrics. @default 'nacos' */
  readonly name?: string
}

/** Options with defaults applied. */
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

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
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

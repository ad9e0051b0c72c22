import {
  CONNECTION_OPTIONS,
  type ConsulConnectionOptions,
  type ResolvedConsulConnectionOptions,
  resolveConsulConnectionOptions,
} from '@sd/connection-consul'
import { checkBoolean, checkDuration, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'
import { type ConsulHealthCheck, checkHealthChecks, type HealthCheckSettings } from './health-checks.ts'

/** Options of `createConsulRegistry`. Instances are looked for in `datacenter`, and registered in that of the agent. */
export interface ConsulRegistryOptions extends ConsulConnectionOptions {
  /** Put before the name of every service, so that environments can share a cluster; other services are not seen. @default '' */
  readonly prefix?: string
  /** Lifetime without a heartbeat for instances that name none, in milliseconds; a heartbeat is sent every third of it. @default 15_000 */
  readonly ttlMs?: number
  /** Checks that the agent runs on every instance that is registered here, besides the heartbeat. @default [] */
  readonly healthChecks?: readonly ConsulHealthCheck[]
  /**
   * Whether any server may answer reads and watches, not only the leader: they go on while the cluster has no leader, and may be some
   * milliseconds behind it, in an outage longer.
   *
   * @default false
   */
  readonly stale?: boolean
  /** Whether instances are registered; `false` finds only, for a program that runs beside a shared registry. @default true */
  readonly enabled?: boolean
  /** Name for logs and metrics. @default 'consul' */
  readonly name?: string
}

/** Options with their defaults filled in. */
export interface ResolvedConsulRegistryOptions extends ResolvedConsulConnectionOptions {
  readonly prefix: string
  readonly ttlMs: number
  readonly healthChecks: readonly HealthCheckSettings[]
  readonly stale: boolean
  readonly enabled: boolean
}

const keys = [...CONNECTION_OPTIONS, 'prefix', 'ttlMs', 'healthChecks', 'stale', 'enabled', 'name']

/** Checks options. @throws SdError `SD_INVALID` that names the option */
export function resolveConsulRegistryOptions(options: ConsulRegistryOptions): ResolvedConsulRegistryOptions {
  checkKnownKeys('', checkObject('options', options), keys)
  return {
    ...resolveConsulConnectionOptions(options, checkName('name', options.name ?? 'consul')),
    prefix: checkPrefix(options.prefix ?? ''),
    ttlMs: checkDuration('ttlMs', options.ttlMs ?? 15_000, 100),
    healthChecks: checkHealthChecks('healthChecks', options.healthChecks ?? []),
    stale: checkBoolean('stale', options.stale ?? false),
    enabled: checkBoolean('enabled', options.enabled ?? true),
  }
}

function checkPrefix(value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z0-9._-]{0,128}$/.test(value)) return value
  throw invalidError('prefix', value, 'at most 128 of A-Z, a-z, 0-9, ".", "_", "-"')
}

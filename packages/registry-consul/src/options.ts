import {
  CONNECTION_OPTIONS,
  type ConsulConnectionOptions,
  type ResolvedConsulConnectionOptions,
  resolveConsulConnectionOptions,
} from '@sd/connection-consul'
import { checkBoolean, checkDuration, checkKnownKeys, checkName, checkObject, invalidError } from '@sd/core'
import { type ConsulHealthCheck, checkHealthChecks, type HealthCheckSettings } from './health-checks.ts'

/**
 * Options of `createConsulRegistry`. It finds instances in `datacenter`, and registers them in the agent's datacenter.
 */
export interface ConsulRegistryOptions extends ConsulConnectionOptions {
  /**
   * Prefix of every service name, so that environments can share a cluster. Services without it are hidden. @default ''
   */
  readonly prefix?: string
  /**
   * Time to live without a heartbeat, in milliseconds, for instances that do not set their own. A heartbeat is sent
   * every third of it. @default 15_000
   */
  readonly ttlMs?: number
  /** Health checks that the agent runs on every instance registered here, in addition to the heartbeat. @default [] */
  readonly healthChecks?: readonly ConsulHealthCheck[]
  /**
   * Whether any server may serve reads and watches, not only the leader. They then continue while the cluster has no
   * leader, but can lag the leader by milliseconds, in an outage by more.
   *
   * @default false
   */
  readonly stale?: boolean
  /**
   * Whether to register instances. Set it to `false` for a program that uses a shared registry without registering
   * there. @default true
   */
  readonly enabled?: boolean
  /** Name of this registry in logs and metrics. @default 'consul' */
  readonly name?: string
}

/** Options with defaults applied. */
export interface ResolvedConsulRegistryOptions extends ResolvedConsulConnectionOptions {
  readonly prefix: string
  readonly ttlMs: number
  readonly healthChecks: readonly HealthCheckSettings[]
  readonly stale: boolean
  readonly enabled: boolean
}

const keys = [...CONNECTION_OPTIONS, 'prefix', 'ttlMs', 'healthChecks', 'stale', 'enabled', 'name']

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
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
  throw invalidError('prefix', value, 'at most 128 characters of A-Z, a-z, 0-9, ".", "_", "-"')
}

/**
 * How an instance is, by its own word or its registry's.
 *
 * - `healthy`: may get traffic
 * - `unhealthy`: alive but failing; gets traffic only in panic
 * - `draining`: finishing what it has; gets no new traffic
 * - `unknown`: nobody checked; treated as healthy
 */
export type HealthStatus = (typeof HEALTH_STATUSES)[number]

/** All values of {@link HealthStatus}. */
export const HEALTH_STATUSES = ['healthy', 'unhealthy', 'draining', 'unknown'] as const

/** Health of an instance and when it was found out. */
export interface InstanceHealth {
  /** The verdict. */
  readonly status: HealthStatus
  /** Why, for people; at most 1,024 characters. */
  readonly message?: string
  /** When the verdict was reached, in epoch milliseconds. */
  readonly checkedAt: number
  /** Results of single checks, for people and dashboards. */
  readonly details?: Readonly<Record<string, string>>
}

/** Where an instance runs, from wide to narrow. */
export interface Locality {
  /** Such as `eu-west-1`. */
  readonly region?: string
  /** Such as `eu-west-1a`. */
  readonly zone?: string
  /** A rack or cell inside the zone. */
  readonly subZone?: string
}

/** One address of one service. Deeply frozen; build it with `createServiceInstance`. */
export interface ServiceInstance {
  /** Unique within the service; 1 to 255 characters. */
  readonly id: string
  /** Name of the service; 1 to 255 characters. */
  readonly service: string
  /** Host name, IPv4 or IPv6 address (without brackets). */
  readonly address: string
  /** TCP or UDP port, 1 to 65,535. */
  readonly port: number
  /** Application protocol in lower case, such as `http`, `https`, `h2`, `h2c`, `grpc`. */
  readonly protocol: string
  /** Version of the software, by convention semver. */
  readonly version?: string
  /** Relative share of traffic, 0 to 65,535; 0 means none. */
  readonly weight: number
  /** Group of preference as in DNS SRV, 0 to 65,535; the lowest is used first. */
  readonly priority: number
  /** Labels without a value, unique, in the order given. */
  readonly tags: readonly string[]
  /** Labels with a value. An object without prototype: any key is safe to read. */
  readonly metadata: Readonly<Record<string, string>>
  /** Where the instance runs. */
  readonly locality?: Locality
  /** How the instance is. */
  readonly health: InstanceHealth
  /** When it was first registered, in epoch milliseconds. */
  readonly createdAt: number
  /** When its data last changed, in epoch milliseconds. */
  readonly updatedAt: number
  /** Lifetime of its lease without renewal, in milliseconds; absent where it does not expire. */
  readonly ttlMs?: number
}

/** Health as a caller gives it: a status, or a status with reasons. `checkedAt` defaults to now. */
export type HealthSpec =
  | HealthStatus
  | {
      /** The verdict. */
      readonly status: HealthStatus
      /** Why, for people. */
      readonly message?: string
      /** When the verdict was reached, in epoch milliseconds. @default now */
      readonly checkedAt?: number
      /** Results of single checks. */
      readonly details?: Readonly<Record<string, string>>
    }

/** What a caller says to register an instance; defaults fill the rest. */
export interface InstanceSpec {
  /** Name of the service. */
  readonly service: string
  /** Host name, IPv4 or IPv6 address that peers reach. */
  readonly address: string
  /** Port that peers reach, 1 to 65,535. */
  readonly port: number
  /** Unique within the service. @default `address:port` */
  readonly id?: string
  /** Application protocol. @default 'http' */
  readonly protocol?: string
  /** Version of the software. */
  readonly version?: string
  /** Relative share of traffic, 0 to 65,535. @default 1 */
  readonly weight?: number
  /** Group of preference, the lowest first. @default 0 */
  readonly priority?: number
  /** Labels without a value, at most 256. @default [] */
  readonly tags?: readonly string[]
  /** Labels with a value, at most 256; values up to 65,536 characters. Keys that start with `sd.` are reserved. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
  /** Where the instance runs. */
  readonly locality?: Locality
  /** How the instance is. @default 'healthy' */
  readonly health?: HealthSpec
  /** Lifetime of the lease without renewal, in milliseconds, at least 100. @default the registry's own */
  readonly ttlMs?: number
}

/** A change to a registered instance. An absent field stays as it is; `null` removes an optional one. */
export interface InstanceUpdate {
  /** New protocol. */
  readonly protocol?: string
  /** New version, or `null` for none. */
  readonly version?: string | null
  /** New weight. */
  readonly weight?: number
  /** New priority. */
  readonly priority?: number
  /** New tags; they replace the old ones. */
  readonly tags?: readonly string[]
  /** New metadata; it replaces the old one. */
  readonly metadata?: Readonly<Record<string, string>>
  /** New locality, or `null` for none. */
  readonly locality?: Locality | null
  /** New health. */
  readonly health?: HealthSpec
}

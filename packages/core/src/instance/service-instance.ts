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

/** How the health of an instance is found out from outside, as the instance itself declares it. */
export interface HealthCheckSpec {
  /** `http`: a request is answered with 2xx; `tcp`: a connection opens; `grpc`: `grpc.health.v1.Health/Check` says `SERVING`. */
  readonly type: 'http' | 'tcp' | 'grpc'
  /** Path with query of a check of type `http`, in printable ASCII, at most 1,024 characters. Other types have none. */
  readonly path?: string
  /** Time from one check to the next, in milliseconds, at least 100. Absent: the checker's own. */
  readonly intervalMs?: number
  /** Longest duration of one check, in milliseconds, at least 1 and at most `intervalMs`. Absent: the checker's own. */
  readonly timeoutMs?: number
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
  /** More ports by name, such as `{ admin: 9090 }`; absent without any. An object without prototype: any name is safe to read. */
  readonly ports?: Readonly<Record<string, number>>
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
  /** How to find out its health from outside, by its own word. The backend runs it where it can (`capabilities.healthChecks`), else those who call it. */
  readonly healthCheck?: HealthCheckSpec
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
  /**
   * More ports by name, at most 32: names of 1 to 63 lower-case letters, digits and inner hyphens with at least one letter, ports from 1 to 65,535.
   * `orders:admin` calls the port `admin` of `orders`.
   *
   * @default none
   */
  readonly ports?: Readonly<Record<string, number>>
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
  /** How to find out its health from outside: see {@link ServiceInstance.healthCheck}. @default none */
  readonly healthCheck?: HealthCheckSpec
  /** Lifetime of the lease without renewal, in milliseconds, at least 100. @default the registry's own */
  readonly ttlMs?: number
}

/** A change to a registered instance. An absent field stays as it is; `null` removes an optional one. */
export interface InstanceUpdate {
  /** New protocol. */
  readonly protocol?: string
  /** New named ports, all of them, or `null` for none. */
  readonly ports?: Readonly<Record<string, number>> | null
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
  /** New declared health check, or `null` for none. */
  readonly healthCheck?: HealthCheckSpec | null
}

/**
 * Health of an instance, as reported by the instance itself or by its registry.
 *
 * - `healthy`: may get traffic
 * - `unhealthy`: running but failing; gets traffic only in a panic
 * - `draining`: finishes its current work; gets no new traffic
 * - `unknown`: not checked; treated as healthy
 */
export type HealthStatus = (typeof HEALTH_STATUSES)[number]

/** All values of {@link HealthStatus}. */
export const HEALTH_STATUSES = ['healthy', 'unhealthy', 'draining', 'unknown'] as const

/** Health of an instance and when it was determined. */
export interface InstanceHealth {
  readonly status: HealthStatus
  /** Reason, for people; at most 1,024 characters. */
  readonly message?: string
  /** When the status was determined, in Unix milliseconds. */
  readonly checkedAt: number
  /** Results of individual checks, for people and dashboards. */
  readonly details?: Readonly<Record<string, string>>
}

/** How to check the health of an instance from outside, as declared by the instance. */
export interface HealthCheckSpec {
  /**
   * `http`: the response has a 2xx status. `tcp`: a connection can be opened. `grpc`: `grpc.health.v1.Health/Check`
   * returns `SERVING`.
   */
  readonly type: 'http' | 'tcp' | 'grpc'
  /** Path and query of an `http` check, in printable ASCII, at most 1,024 characters. Not allowed for other types. */
  readonly path?: string
  /** Interval between checks in milliseconds, at least 100. @default the checker's own */
  readonly intervalMs?: number
  /** Time limit of one check in milliseconds, at least 1 and at most `intervalMs`. @default the checker's own */
  readonly timeoutMs?: number
}

/** Location of an instance, from large to small. */
export interface Locality {
  /** For example `eu-west-1`. */
  readonly region?: string
  /** For example `eu-west-1a`. */
  readonly zone?: string
  /** A rack or cell within the zone. */
  readonly subZone?: string
}

/** One address of one service. Deeply frozen; build it with `createServiceInstance`. */
export interface ServiceInstance {
  /** Unique within the service; 1 to 255 characters. */
  readonly id: string
  /** Name of the service; 1 to 255 characters. */
  readonly service: string
  /** Host name, IPv4 address, or IPv6 address without brackets. */
  readonly address: string
  /** TCP or UDP port, 1 to 65,535. */
  readonly port: number
  /**
   * Additional ports by name, such as `{ admin: 9090 }`; absent if there are none. The object has no prototype, so any
   * name is safe to read.
   */
  readonly ports?: Readonly<Record<string, number>>
  /** Application protocol in lower case, such as `http`, `https`, `h2`, `h2c`, `grpc`. */
  readonly protocol: string
  /** Version of the software; semver by convention. */
  readonly version?: string
  /** Relative share of traffic, 0 to 65,535; 0 means none. */
  readonly weight: number
  /** Priority group as in DNS SRV, 0 to 65,535. The lowest is used first. */
  readonly priority: number
  /** Labels without a value, unique, in the given order. */
  readonly tags: readonly string[]
  /** Labels with a value. The object has no prototype, so any key is safe to read. */
  readonly metadata: Readonly<Record<string, string>>
  /** Location of the instance. */
  readonly locality?: Locality
  readonly health: InstanceHealth
  /**
   * How to check its health from outside, as declared by the instance. The backend runs the check if it can
   * (`capabilities.healthChecks`), otherwise the callers do.
   */
  readonly healthCheck?: HealthCheckSpec
  /** Names of the services that it declares to depend on, sorted; absent if it declares none. */
  readonly needs?: readonly string[]
  /** When it was first registered, in Unix milliseconds. */
  readonly createdAt: number
  /** When its data last changed, in Unix milliseconds. */
  readonly updatedAt: number
  /** Time after which its lease expires without renewal, in milliseconds; absent if it does not expire. */
  readonly ttlMs?: number
}

/** Health in an {@link InstanceSpec}: a status, or a status with details. */
export type HealthSpec =
  | HealthStatus
  | {
      readonly status: HealthStatus
      /** Reason, for people. */
      readonly message?: string
      /** When the status was determined, in Unix milliseconds. @default now */
      readonly checkedAt?: number
      /** Results of individual checks. */
      readonly details?: Readonly<Record<string, string>>
    }

/** Description of an instance to register. */
export interface InstanceSpec {
  readonly service: string
  /** Host name, IPv4 or IPv6 address that callers can reach. */
  readonly address: string
  /** Port that callers can reach, 1 to 65,535. */
  readonly port: number
  /**
   * Additional ports by name, at most 32. Names have 1 to 63 lower-case letters, digits and inner hyphens, at least one
   * letter; ports are 1 to 65,535. Call the port `admin` of `orders` as `orders:admin`.
   *
   * @default none
   */
  readonly ports?: Readonly<Record<string, number>>
  /** Unique within the service. @default `address:port` */
  readonly id?: string
  /** Application protocol. @default 'http' */
  readonly protocol?: string
  /** Version of the software. @default none */
  readonly version?: string
  /** Relative share of traffic, 0 to 65,535. @default 1 */
  readonly weight?: number
  /** Priority group; the lowest is used first. @default 0 */
  readonly priority?: number
  /** Labels without a value, at most 256. @default [] */
  readonly tags?: readonly string[]
  /** Labels with a value, at most 256; values up to 65,536 characters. Keys that start with `sd.` are reserved. @default {} */
  readonly metadata?: Readonly<Record<string, string>>
  /** Location of the instance. @default none */
  readonly locality?: Locality
  /** Health of the instance. @default 'healthy' */
  readonly health?: HealthSpec
  /** How to check its health from outside, see {@link ServiceInstance.healthCheck}. @default none */
  readonly healthCheck?: HealthCheckSpec
  /**
   * Names of the services that it depends on, at most 256. Only shown to people: tools compare them with the calls that they
   * observe. @default none
   */
  readonly needs?: readonly string[]
  /** Time after which the lease expires without renewal, in milliseconds, at least 100. @default the registry's own */
  readonly ttlMs?: number
}

/** A change to a registered instance. Absent fields keep their value; `null` removes an optional field. */
export interface InstanceUpdate {
  /** New protocol. */
  readonly protocol?: string
  /** New named ports, or `null` for none. They replace all old ones. */
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
  /** New dependencies, or `null` for none. */
  readonly needs?: readonly string[] | null
}

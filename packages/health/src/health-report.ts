import type { HealthSpec, HealthStatus } from '@sd/core'
import type { CheckRun } from './check-run.ts'
import type { CheckStatus } from './verdict.ts'

/**
 * What follows if a check fails:
 *
 * - `readiness`: the process should get no traffic for now, such as without its database
 * - `liveness`: it should get none, and be restarted; never for something outside of the process
 * - `informational`: nothing, it is only told
 */
export type HealthCheckKind = 'readiness' | 'liveness' | 'informational'

/** How one check of a process stands. */
export interface HealthCheckReport {
  /** What follows if it fails. */
  readonly kind: HealthCheckKind
  /** Its status: one failure does not change it, see `fall`. */
  readonly status: CheckStatus
  /** Since when it is this one, in Unix milliseconds. */
  readonly since: number
  /** Its last run, with the time at which it ended; absent before the first. */
  readonly lastRun?: CheckRun | undefined
}

/** How a process is. */
export interface HealthReport {
  /** `draining` if a registration says so; else by the checks that are not informational. */
  readonly status: HealthStatus
  /** Whether it need not be restarted: no liveness check is unhealthy. */
  readonly isLive: boolean
  /** Whether it should get traffic: its status is `healthy`, and no registration has ended. */
  readonly isReady: boolean
  /** The checks by name. */
  readonly checks: Readonly<Record<string, HealthCheckReport>>
}

/** Names and reports of checks. */
export type HealthCheckReports = ReadonlyMap<string, HealthCheckReport>

/** What the checks say together: unhealthy if one is, unknown while one is. Informational ones don't count. */
export function combineStatus(checks: HealthCheckReports): CheckStatus {
  const statuses = [...checks.values()].filter(({ kind }) => kind !== 'informational').map(({ status }) => status)
  if (statuses.includes('unhealthy')) return 'unhealthy'
  return statuses.includes('unknown') ? 'unknown' : 'healthy'
}

/** Most entries that a registry keeps. */
const maxDetails = 256

/**
 * What a registration is told: status, which checks fail, and the details of checks. Errors are not in it: many can read a registry, and
 * some errors' texts hold what should stay in the process.
 */
export function toHealthSpec(checks: HealthCheckReports): Exclude<HealthSpec, string> {
  const failed = [...checks].filter(([, { status }]) => status === 'unhealthy').map(([name]) => name)
  const statuses = [...checks].map(([name, { status }]) => [name, status] as const)
  const findings = [...checks].flatMap(([name, { lastRun }]) =>
    Object.entries(lastRun?.details ?? {}).map(([key, value]) => [`${name}.${key}`, value] as const),
  )
  return {
    status: combineStatus(checks),
    ...(failed.length > 0 && { message: `failed: ${failed.join(', ')}`.slice(0, 1_024).toWellFormed() }),
    details: Object.fromEntries([...statuses, ...findings].slice(0, maxDetails)),
  }
}

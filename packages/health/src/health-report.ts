import { type HealthAnswer, type HealthSpec, type HealthStatus, toWireError } from '@sd/core'
import type { CheckRun } from './check-run.ts'
import type { CheckStatus } from './verdict.ts'

/**
 * Effect of a failed check:
 *
 * - `readiness`: the process gets no traffic for now, for example without its database
 * - `liveness`: it gets no traffic and should be restarted; never for anything outside of the process
 * - `informational`: none, it is only reported
 */
export type HealthCheckKind = 'readiness' | 'liveness' | 'informational'

/** State of one check of a process. */
export interface HealthCheckReport {
  /** Effect of a failure. */
  readonly kind: HealthCheckKind
  /** Status; a single failure does not change it, see `fall`. */
  readonly status: CheckStatus
  /** Start of this status, in Unix milliseconds. */
  readonly since: number
  /** The last run; absent before the first. */
  readonly lastRun?: CheckRun | undefined
}

/** Health of a process. */
export interface HealthReport {
  /** `draining` if a registration is draining; otherwise derived from the checks that are not informational. */
  readonly status: HealthStatus
  /** Whether the process can go on without a restart: no liveness check is unhealthy. */
  readonly isLive: boolean
  /** Whether the process should get traffic: its status is `healthy`, and no registration has ended. */
  readonly isReady: boolean
  /** Checks by name. */
  readonly checks: Readonly<Record<string, HealthCheckReport>>
}

/** Names and reports of checks. */
export type HealthCheckReports = ReadonlyMap<string, HealthCheckReport>

/** Combined status of the checks: unhealthy if one is, unknown while one is. Informational checks are ignored. */
export function combineStatus(checks: HealthCheckReports): CheckStatus {
  const statuses = [...checks.values()].filter(({ kind }) => kind !== 'informational').map(({ status }) => status)
  if (statuses.includes('unhealthy')) return 'unhealthy'
  return statuses.includes('unknown') ? 'unknown' : 'healthy'
}

/** A report as plain data, for inquiries. */
export function answerHealth({ checks, ...health }: HealthReport): HealthAnswer {
  return {
    ...health,
    checks: Object.entries(checks).map(([check, { kind, status, since, lastRun }]) => ({
      check,
      kind,
      status,
      since,
      ...(lastRun && { checkedAt: lastRun.checkedAt }),
      ...(lastRun?.error && { error: toWireError(lastRun.error) }),
      ...(lastRun?.details && { details: lastRun.details }),
    })),
  }
}

/** Maximum number of entries that a registry keeps. */
const maxDetails = 256

/**
 * The health to write to a registration: the status, the names of failed checks, and the details of checks. Errors are left
 * out: many can read a registry, and the text of an error may contain secrets.
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

import type { AlertState } from './alert.ts'

/** Where an alert is in its life. One that is inactive does not exist. Times are in milliseconds since 1970. */
export interface AlertCycle {
  /** Its state. */
  readonly state: AlertState
  /** Since when it is true. */
  readonly activeAt: number
  /** Since when it fires. */
  readonly firingAt?: number
  /** Since when it fires only because it is kept firing. */
  readonly keptSince?: number
  /** When it ended. */
  readonly resolvedAt?: number
}

/** How long a resolved alert is still shown, as in Prometheus. */
export const resolvedForMs: number = 15 * 60_000

/**
 * The next moment in the life of an alert: inactive → pending → firing → resolved → inactive.
 *
 * @param cycle where it is; `undefined` for inactive
 * @param isTrue whether the rule is true of it now
 */
export function advanceCycle(
  cycle: AlertCycle | undefined,
  isTrue: boolean,
  now: number,
  { durationMs = 0, keepFiringMs = 0 }: { readonly durationMs?: number | undefined; readonly keepFiringMs?: number | undefined },
): AlertCycle | undefined {
  if (isTrue) {
    if (cycle?.state === 'firing') return { state: 'firing', activeAt: cycle.activeAt, firingAt: cycle.firingAt ?? now }
    const activeAt = cycle?.state === 'pending' ? cycle.activeAt : now
    return now - activeAt >= durationMs ? { state: 'firing', activeAt, firingAt: now } : { state: 'pending', activeAt }
  }
  if (cycle?.state === 'firing') {
    const { keptSince = now } = cycle
    return now - keptSince < keepFiringMs ? { ...cycle, keptSince } : endCycle(cycle, now)
  }
  if (cycle?.resolvedAt !== undefined && now - cycle.resolvedAt < resolvedForMs) return cycle
  return undefined
}

/** Ends an alert that fires. */
export function endCycle({ activeAt, firingAt = activeAt }: AlertCycle, now: number): AlertCycle {
  return { state: 'resolved', activeAt, firingAt, resolvedAt: now }
}

import type { AlertState } from './alert.ts'

/** State of an alert over time; `undefined` while it is inactive. Times are in Unix milliseconds. */
export interface AlertCycle {
  /** Current state. */
  readonly state: AlertState
  /** Since when the condition holds. */
  readonly activeAt: number
  /** Since when the alert fires. */
  readonly firingAt?: number
  /** Since when it fires only because of `keepFiringMs`. */
  readonly keptSince?: number
  /** When the alert ended. */
  readonly resolvedAt?: number
}

/** Time for which a resolved alert is still shown, as in Prometheus. */
export const resolvedForMs: number = 15 * 60_000

/**
 * Computes the next state of an alert: inactive → pending → firing → resolved → inactive.
 *
 * @param cycle current state; `undefined` for inactive
 * @param isTrue whether the condition holds now
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

/** Ends a firing alert. */
export function endCycle({ activeAt, firingAt = activeAt }: AlertCycle, now: number): AlertCycle {
  return { state: 'resolved', activeAt, firingAt, resolvedAt: now }
}

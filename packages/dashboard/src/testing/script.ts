import type { AlertsAnswer } from '@sd/core'
import type { Traffic } from '@sd/fleet'

/** A fault of the script. */
export type Fault = 'unhealthy' | 'slow' | 'breaker' | 'silent' | 'stale' | 'alert'

/** What a model is made of. */
export interface Script {
  readonly at: number
  readonly startsAt: number
  readonly faults: ReadonlyMap<Fault, number>
  readonly breaker: string
  readonly silences: AlertsAnswer['silences']
  readonly hostile: string
  readonly more: { readonly services: number; readonly processes: number }
}

/** No calls. */
export const quiet: Traffic = { total: 0, perSecond: 0, failedShare: 0, failed: {}, refused: {}, retries: 0 }

/** Calls at a rate, with a median. */
export function traffic(
  perSecond: number,
  p50Ms: number,
  failedShare = 0,
  failed: Readonly<Record<string, number>> = {},
): Traffic {
  return {
    total: Math.round(perSecond * 60),
    refused: {},
    retries: 0,
    perSecond,
    failedShare,
    meanMs: p50Ms * 1.3,
    p50Ms,
    p99Ms: p50Ms * 3.2,
    failed,
  }
}

/** Rates that move a little, by the time of the model. */
export function moving(rate: number, at: number, salt: number): number {
  return rate * (1 + 0.08 * Math.sin(at / 7_000 + salt) + 0.03 * Math.sin(at / 1_900 + salt * 2))
}

/** Outcome of a call, as seen by its caller. */
export type CallEnd = 'answered' | 'fallback' | 'failed'

/** Counts of a period of time. */
export interface Tally {
  /** Calls by outcome. */
  readonly calls: Record<CallEnd, number>
  /** Attempts by instance id. */
  readonly attempts: Map<string, number>
  /** From the start of a call to the end of its body, in milliseconds. */
  readonly latenciesMs: number[]
}

/** Creates an empty tally. */
export function createTally(): Tally {
  return { calls: { answered: 0, fallback: 0, failed: 0 }, attempts: new Map(), latenciesMs: [] }
}

/** Number of calls. */
export function callCount({ calls }: Tally): number {
  return calls.answered + calls.fallback + calls.failed
}

/** Share of the calls with this outcome, from 0 to 1. */
export function callShare(tally: Tally, end: CallEnd): number {
  return tally.calls[end] / Math.max(1, callCount(tally))
}

/** Number of attempts. */
export function attemptCount({ attempts }: Tally): number {
  return [...attempts.values()].reduce((sum, count) => sum + count, 0)
}

/** Attempts for each call. */
export function attemptRatio(tally: Tally): number {
  return attemptCount(tally) / Math.max(1, callCount(tally))
}

/** Attempts on an instance, relative to an even share: 1 means the same number as the others. */
export function evenness(tally: Tally, id: string, instances: number): number {
  return ((tally.attempts.get(id) ?? 0) * instances) / Math.max(1, attemptCount(tally))
}

/** The latency that this percentage of the calls did not exceed, in milliseconds. */
export function percentileMs({ latenciesMs }: Tally, percent: number): number {
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0
}

/** How calls ended, and who answered. */
export interface Tally {
  /** Calls with a status below 400. */
  answered: number
  /** Calls that the client's own policies refused. */
  refused: number
  /** All other calls. */
  failed: number
  /** Answered calls by instance id. */
  readonly served: Map<string, number>
}

/** A tally of nothing. */
export function createTally(): Tally {
  return { answered: 0, refused: 0, failed: 0, served: new Map() }
}

/** Number of calls. */
export function callCount({ answered, refused, failed }: Tally): number {
  return answered + refused + failed
}

/** Share of the calls that were answered, from 0 to 1. */
export function answeredShare(tally: Tally): number {
  return tally.answered / Math.max(1, callCount(tally))
}

/** Share of the answers that an instance gave, from 0 to 1. */
export function servedShare({ answered, served }: Tally, id: string): number {
  return (served.get(id) ?? 0) / Math.max(1, answered)
}

/** A share as percent. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

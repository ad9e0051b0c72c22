/** Outcomes of calls, with the responding instances. */
export interface Tally {
  /** Calls with a status below 400. */
  answered: number
  /** Calls rejected by policies of the client. */
  refused: number
  /** All other calls. */
  failed: number
  /** Answered calls by instance id. */
  readonly served: Map<string, number>
}

/** Creates an empty tally. */
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

/** Share of the responses from one instance, from 0 to 1. */
export function servedShare({ answered, served }: Tally, id: string): number {
  return (served.get(id) ?? 0) / Math.max(1, answered)
}

/** A share as percent. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** What the results of a check say so far: `unknown` until the first success, or enough failures. */
export type CheckStatus = 'healthy' | 'unhealthy' | 'unknown'

/** How many results in a row it takes to change a status. */
export interface VerdictThresholds {
  /** Successes after which what was unhealthy is healthy. */
  readonly rise: number
  /** Failures after which it is unhealthy. */
  readonly fall: number
}

/** Turns the results of one check into a status. */
export interface Verdict {
  /** The status now. */
  readonly status: CheckStatus
  /** Whether the next results may change the status: none is known yet, or the last result contradicts it. */
  readonly isOpen: boolean
  /** Takes a result. @returns whether the status is another one now */
  record(ok: boolean): boolean
}

/** Makes a verdict with HAProxy's rise and fall. As in Envoy, the very first status takes only one success. */
export function createVerdict({ rise, fall }: VerdictThresholds): Verdict {
  let status: CheckStatus = 'unknown'
  /** Results in a row that contradict the status. */
  let against = 0

  return {
    get status() {
      return status
    },
    get isOpen() {
      return status === 'unknown' || against > 0
    },
    record(ok) {
      const says = ok ? 'healthy' : 'unhealthy'
      against = says === status ? 0 : against + 1
      const needed = ok ? (status === 'unknown' ? 1 : rise) : fall
      if (against < needed || says === status) return false
      status = says
      against = 0
      return true
    },
  }
}

/** Status by the results so far: `unknown` until the first success, or enough failures. */
export type CheckStatus = 'healthy' | 'unhealthy' | 'unknown'

/** Number of consecutive results that change a status. */
export interface VerdictThresholds {
  /** Successes after which an unhealthy target is healthy. */
  readonly rise: number
  /** Failures after which a target is unhealthy. */
  readonly fall: number
}

/** Derives a status from the results of one check. */
export interface Verdict {
  /** Current status. */
  readonly status: CheckStatus
  /** Whether the next results may change the status: it is unknown, or the last result contradicts it. */
  readonly isOpen: boolean
  /** Records a result. @returns whether the status changed */
  record(ok: boolean): boolean
}

/** Creates a verdict with HAProxy's rise and fall. As in Envoy, the first status needs only one success. */
export function createVerdict({ rise, fall }: VerdictThresholds): Verdict {
  let status: CheckStatus = 'unknown'
  /** Number of consecutive results that contradict the status. */
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

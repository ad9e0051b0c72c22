/** Counters of a sticky balancer since its creation, over all services. */
export interface StickyStatistics {
  /** Picks of the endpoint of an existing session. */
  readonly hits: number
  /** Sessions that started. */
  readonly started: number
  /** Sessions that moved because their endpoint was removed or unavailable. */
  readonly moved: number
  /** Picks of another endpoint for one attempt, because the call had already tried the session's endpoint. */
  readonly diverted: number
  /** Sessions that ended because they were not used for `timeoutMs`. Detected at the next use of the balancer. */
  readonly expired: number
  /** Sessions that were dropped because the table was full. If this grows, raise `maxSessions`. */
  readonly evicted: number
  /** Picks without a key, or with one that is too long, by the inner balancer alone. */
  readonly unkeyed: number
}

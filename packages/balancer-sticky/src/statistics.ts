/** What a sticky balancer did, counted since it was made, over all services. */
export interface StickyStatistics {
  /** Picks that went where their session went before. */
  readonly hits: number
  /** Sessions that began. */
  readonly started: number
  /** Sessions that moved, because their endpoint was gone or not available. */
  readonly moved: number
  /** Picks that went elsewhere for once, because their call had tried the session's endpoint already. */
  readonly diverted: number
  /** Sessions that ended because they were not used for `timeoutMs`. Found when the balancer is next used. */
  readonly expired: number
  /** Sessions that ended because the table was full. If it grows, raise `maxSessions`. */
  readonly evicted: number
  /** Picks without a key, or with one that is too long: the inner balancer alone decided. */
  readonly unkeyed: number
}

/** The counters while they count. */
export type StickyCounters = { -readonly [Name in keyof StickyStatistics]: number }

/** Counters at 0. */
export function createStickyCounters(): StickyCounters {
  return { hits: 0, started: 0, moved: 0, diverted: 0, expired: 0, evicted: 0, unkeyed: 0 }
}

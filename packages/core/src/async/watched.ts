import type { SdError } from '../errors.ts'

/** Since when, and why, a watched value may be out of date. */
export interface Staleness {
  /** When the source was lost, in epoch milliseconds. */
  readonly since: number
  /** What happened first. */
  readonly error: SdError
}

/** One step of a watch: everything that is known now. */
export interface Watched<T> {
  /** The last value that the source gave; absent until it gave one. */
  readonly value?: T
  /** Present while the source is away. */
  readonly stale?: Staleness
}

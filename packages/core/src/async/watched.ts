import type { SdError } from '../errors.ts'

/** Since when and why a watched value may be out of date. */
export interface Staleness {
  /** When the source became unreachable, in Unix milliseconds. */
  readonly since: number
  /** The first error. */
  readonly error: SdError
}

/** One step of a watch: the complete current state. */
export interface Watched<T> {
  /** The last value from the source; absent before the first. */
  readonly value?: T
  /** Present while the source is unreachable. */
  readonly stale?: Staleness
}

import type { SdError } from '@sd/core'
import type { ConfigError, ConfigFailure } from './failure.ts'

/** A source that is away, or was not there yet: what it had counts on. */
export interface StaleSource {
  /** Name of the source. */
  readonly source: string
  /** Since when, in Unix milliseconds; of content from the snapshot on disk, when that was written. */
  readonly since: number
  /** Why. */
  readonly error: SdError
  /** Whether what counts is from the snapshot on disk, because the source has not been there since the start. */
  readonly isSnapshot: boolean
}

/** A source whose content was refused: what it had before counts on. */
export interface RefusedSource {
  /** Name of the source. */
  readonly source: string
  /** Since when, in Unix milliseconds. */
  readonly since: number
  /** What is wrong, with key, line and field. */
  readonly failures: readonly ConfigFailure[]
}

/** How a configuration is. */
export interface ConfigStatus {
  /** Its version: 1 at the start, one more with every change. */
  readonly version: number
  /** When that version was taken over, in Unix milliseconds. */
  readonly updatedAt: number
  /** Sources that are away. */
  readonly stale: readonly StaleSource[]
  /** Sources whose newest content doesn't count. */
  readonly refused: readonly RefusedSource[]
}

/** What happened to a configuration. */
export type ConfigReport =
  | {
      /** A new version counts. */
      readonly kind: 'updated'
      /** Its number. */
      readonly version: number
      /** Paths of the values that changed, at most 1,000. */
      readonly changed: readonly string[]
    }
  | {
      /** The newest content of a source is refused. */
      readonly kind: 'refused'
      /** Name of the source. */
      readonly source: string
      /** Why, with key, line and field. */
      readonly error: ConfigError | SdError
    }
  | {
      /** A source is away. */
      readonly kind: 'stale'
      /** Name of the source. */
      readonly source: string
      /** Why. */
      readonly error: SdError
    }
  | {
      /** A source is back, or what was refused counts now. */
      readonly kind: 'recovered'
      /** Name of the source. */
      readonly source: string
    }
  | {
      /** A listener threw, or the snapshot on disk can't be read or written. */
      readonly kind: 'error'
      /** What happened. */
      readonly error: SdError
    }

import type { SdError } from '@sd/core'
import type { ConfigError, ConfigFailure } from './failure.ts'

/** A source that is unreachable or has not been read yet. Its last values stay in effect. */
export interface StaleSource {
  /** Name of the source. */
  readonly source: string
  /** Since when, in Unix milliseconds; for content of the snapshot, the time at which it was written. */
  readonly since: number
  /** The reason. */
  readonly error: SdError
  /** Whether the values in effect are from the snapshot, because the source has been unreachable since the start. */
  readonly isSnapshot: boolean
}

/** A source whose content was rejected. Its previous content stays in effect. */
export interface RefusedSource {
  /** Name of the source. */
  readonly source: string
  /** Since when, in Unix milliseconds. */
  readonly since: number
  /** The reasons, with key, line and field. */
  readonly failures: readonly ConfigFailure[]
}

/** State of a configuration. */
export interface ConfigStatus {
  /** Number of the version: 1 at the start, plus 1 with every change. */
  readonly version: number
  /** When this version took effect, in Unix milliseconds. */
  readonly updatedAt: number
  /** Unreachable sources. */
  readonly stale: readonly StaleSource[]
  /** Sources whose newest content was rejected. */
  readonly refused: readonly RefusedSource[]
}

/** An event of a configuration. */
export type ConfigReport =
  | {
      /** A new version is in effect. */
      readonly kind: 'updated'
      /** Number of the version. */
      readonly version: number
      /** Paths of the values that changed, at most 1,000. */
      readonly changed: readonly string[]
    }
  | {
      /** The newest content of a source was rejected. */
      readonly kind: 'refused'
      /** Name of the source. */
      readonly source: string
      /** The reason, with key, line and field. */
      readonly error: ConfigError | SdError
    }
  | {
      /** A source is unreachable. */
      readonly kind: 'stale'
      /** Name of the source. */
      readonly source: string
      /** The reason. */
      readonly error: SdError
    }
  | {
      /** A source is reachable again, or its content was accepted after a rejection. */
      readonly kind: 'recovered'
      /** Name of the source. */
      readonly source: string
    }
  | {
      /** A listener threw, or the snapshot on disk can't be read or written. */
      readonly kind: 'error'
      /** The error. */
      readonly error: SdError
    }

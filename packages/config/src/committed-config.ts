import { publishTelemetry, type SdError } from '@sd/core'
import type { BuiltConfig } from './build.ts'
import { mergeLayers } from './merge-layers.ts'
import type { ConfigReport } from './report.ts'
import { changedPaths, shareTree } from './tree.ts'

/** A configuration in effect, with its layers. */
export interface LiveConfigVersion extends BuiltConfig {
  /** Its number, from 1. */
  readonly version: number
  /** When it came into effect, in Unix milliseconds. */
  readonly updatedAt: number
}

/** The configuration in effect. */
export interface CommittedConfig {
  /** The current version; number 0 before the first. */
  readonly current: LiveConfigVersion
  /** Puts a configuration into effect. Creates a new version only if a value differs. @param startedAt from `performance.now()` */
  commit(built: BuiltConfig, startedAt: number): void
  /** Publishes a failed update. @param startedAt from `performance.now()` */
  publishFailure(error: SdError, startedAt: number): void
}

/** Receivers of the events of a {@link CommittedConfig}. */
export interface CommitContext {
  /** Called with every version after the first, once it is in effect. */
  readonly onVersion: (next: LiveConfigVersion, previous: LiveConfigVersion) => void
  /** Called with every report. */
  readonly report: (report: ConfigReport) => void
}

const nothing: BuiltConfig = { value: undefined, layers: mergeLayers([]), isSecret: () => false, redact: (text) => text }

/** Starts without a configuration. @param config name of the configuration in telemetry */
export function createCommittedConfig(config: string, { onVersion, report }: CommitContext): CommittedConfig {
  let current: LiveConfigVersion = { ...nothing, version: 0, updatedAt: 0 }

  return {
    get current() {
      return current
    },
    commit(built, startedAt) {
      const previous = current
      const value = shareTree(previous.value, built.value)
      if (value === previous.value && previous.version > 0) {
        current = { ...previous, layers: built.layers, isSecret: built.isSecret, redact: built.redact }
        return
      }
      current = { ...built, value, version: previous.version + 1, updatedAt: Date.now() }
      const changed = changedPaths(previous.value, value)
      const { version } = current
      if (previous.version > 0) onVersion(current, previous)
      publishTelemetry('sd:v1:config:update', { config, version, changed, durationMs: performance.now() - startedAt })
      report({ kind: 'updated', version, changed })
    },
    publishFailure(error, startedAt) {
      const durationMs = performance.now() - startedAt
      publishTelemetry('sd:v1:config:update', { config, version: current.version, changed: [], durationMs, error })
    },
  }
}

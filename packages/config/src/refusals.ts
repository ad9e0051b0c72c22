import { createBackoff, delayBeforeRetry, type SdError } from '@sd/core'
import type { ConfigReport } from './report.ts'
import type { SourceState } from './source-state.ts'

/** Records sources with rejected content, and retries if that can help. */
export interface Refusals {
  /** Records that the newest content of a source was rejected. */
  add(state: SourceState, error: SdError): void
  /** Records that content of a source was accepted. */
  remove(state: SourceState): void
  /** Stops retries. */
  close(): void
}

/**
 * Creates an empty record.
 *
 * @param retry called after a delay if the last error is retryable
 */
export function createRefusals(report: (report: ConfigReport) => void, retry: () => void): Refusals {
  const retries = createBackoff({ baseMs: 1_000, maxMs: 30_000 })
  let timer: ReturnType<typeof setTimeout> | undefined

  return {
    add(state, error) {
      const { feed, refused } = state
      state.refused = { document: feed.latest, since: refused?.since ?? Date.now(), error }
      if (refused?.document !== feed.latest) report({ kind: 'refused', source: feed.name, error })
      if (!error.retryable) return
      // For example an unreachable key service: no event reports that it is reachable again.
      clearTimeout(timer)
      timer = setTimeout(retry, delayBeforeRetry(retries, error))
      timer.unref?.()
    },
    remove(state) {
      if (!state.refused) return
      delete state.refused
      retries.reset()
      report({ kind: 'recovered', source: state.feed.name })
    },
    close: () => clearTimeout(timer),
  }
}

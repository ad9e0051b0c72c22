import { createBackoff, delayBeforeRetry, type SdError } from '@sd/core'
import type { ConfigReport } from './report.ts'
import type { SourceState } from './source-state.ts'

/** Records which sources have content that was refused, and retries where that can help. */
export interface Refusals {
  /** Records that the newest content of a source was refused. */
  add(state: SourceState, error: SdError): void
  /** Records that content of a source was accepted. */
  remove(state: SourceState): void
  /** Ends retries. */
  close(): void
}

/**
 * Creates a record without refusals.
 *
 * @param retry called after a delay when the last error was a temporary one
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
      // For example an unreachable key service: nothing reports when it can be reached again.
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

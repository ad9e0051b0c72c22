import { createLatestWins, type LatestWins, type OperationOptions } from '@sd/core'
import type { FleetModel } from './model.ts'

/** The watches of a fleet. */
export interface Watches {
  /** Starts one. It ends when the signal aborts, and at once after `close()`. */
  open(options: OperationOptions): LatestWins<FleetModel>
  /** Sends a model to all of them. */
  offer(model: FleetModel): void
  /** Ends all of them. */
  close(): void
}

/** What watches need. */
export interface WatchParts {
  /** Polls until the returned function is called. */
  readonly hold: () => () => void
  /** A model that is recent enough to begin with. */
  readonly recent: () => FleetModel | undefined
}

/** Creates a set of watches that polls only while it has one. */
export function createWatches({ hold, recent }: WatchParts): Watches {
  const watchers = new Set<LatestWins<FleetModel>>()
  let isClosed = false
  return {
    open({ signal }) {
      let release: (() => void) | undefined
      const onAbort = (): void => watcher.end()
      const watcher = createLatestWins<FleetModel>({
        onEnd() {
          watchers.delete(watcher)
          signal?.removeEventListener('abort', onAbort)
          release?.()
        },
      })
      if (isClosed || signal?.aborted) {
        watcher.end()
        return watcher
      }
      release = hold()
      watchers.add(watcher)
      signal?.addEventListener('abort', onAbort, { once: true })
      const model = recent()
      if (model) watcher.offer(model)
      return watcher
    },
    offer(model) {
      for (const watcher of watchers) watcher.offer(model)
    },
    close() {
      isClosed = true
      for (const watcher of [...watchers]) watcher.end()
    },
  }
}

import {
  createLatestWins,
  diffSnapshots,
  isEmptyChange,
  type OperationOptions,
  type ServiceSnapshot,
  type SnapshotChange,
  type Staleness,
} from '@sd/core'
import type { ServiceState } from './service-feed.ts'

/** A service's instances, and what is new about them. */
export interface DiscoveryEvent {
  /** Name of the service. */
  readonly service: string
  /** The full set. */
  readonly snapshot: ServiceSnapshot
  /** What differs from the event before; everything is added in the first. Empty when only staleness changed. */
  readonly change: SnapshotChange
  /** Present while the source is away. */
  readonly stale?: Staleness | undefined
}

/** Tells any number of subscribers of the states of one service. */
export interface EventFan {
  /** Number of subscribers. */
  readonly size: number
  /** Tells everybody. */
  publish(state: ServiceState): void
  /** An iteration over what happens, beginning with the current state; the latest wins. */
  iterate(options: OperationOptions): AsyncIterableIterator<DiscoveryEvent>
  /** Ends every iteration. */
  close(): void
}

/** Builds a fan. @param current the state to begin with */
export function createEventFan(service: string, current: () => ServiceState): EventFan {
  const streams = new Set<ReturnType<typeof createLatestWins<ServiceState>>>()
  return {
    get size() {
      return streams.size
    },
    publish(state) {
      for (const stream of streams) stream.offer(state)
    },
    iterate({ signal }) {
      const end = (): void => stream.end()
      const stream = createLatestWins<ServiceState>({
        onEnd() {
          streams.delete(stream)
          signal?.removeEventListener('abort', end)
        },
      })
      streams.add(stream)
      signal?.addEventListener('abort', end, { once: true })
      if (signal?.aborted) stream.end()
      stream.offer(current())
      return toEvents(service, stream)
    },
    close() {
      for (const stream of [...streams]) stream.end()
    },
  }
}

/** Turns states into events with the change since the event before. States without a snapshot, or without news, are passed over. */
function toEvents(service: string, states: AsyncIterableIterator<ServiceState>): AsyncIterableIterator<DiscoveryEvent> {
  let previous: ServiceSnapshot | undefined
  async function next(): Promise<IteratorResult<DiscoveryEvent>> {
    for (;;) {
      const step = await states.next()
      if (step.done) return { done: true, value: undefined }
      const { snapshot, stale } = step.value
      if (!snapshot) continue
      const change = diffSnapshots(previous, snapshot)
      const isNews = previous === undefined || previous.stale !== snapshot.stale || !isEmptyChange(change)
      previous = snapshot
      if (isNews) return { done: false, value: { service, snapshot, change, stale } }
    }
  }
  return {
    next,
    async return() {
      await states.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

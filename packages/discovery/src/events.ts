import {
  createLatestWins,
  diffSnapshots,
  type LatestWins,
  type OperationOptions,
  type ServiceSnapshot,
  type SnapshotChange,
  type Staleness,
} from '@sd/core'
import type { ServiceState } from './service-feed.ts'
import { isEmptyChange } from './snapshot-change.ts'

/** The instances of a service, and what changed since the previous event. */
export interface DiscoveryEvent {
  /** Name of the service. */
  readonly service: string
  /** The full list. */
  readonly snapshot: ServiceSnapshot
  /** Changes since the previous event. The first event lists everything as added. Empty if only the staleness changed. */
  readonly change: SnapshotChange
  /** Present while the source is unreachable. */
  readonly stale?: Staleness | undefined
}

/** Publishes the states of one service to any number of subscribers. */
export class EventBroadcaster {
  readonly #service: string
  readonly #current: () => ServiceState
  readonly #streams = new Set<LatestWins<ServiceState>>()

  /** @param current returns the state with which an iteration begins */
  constructor(service: string, current: () => ServiceState) {
    this.#service = service
    this.#current = current
  }

  /** Number of subscribers. */
  get size(): number {
    return this.#streams.size
  }

  /** Publishes a state to all subscribers. */
  publish(state: ServiceState): void {
    for (const stream of this.#streams) stream.offer(state)
  }

  /** Iterates over events, beginning with the current state. A slow reader gets only the latest. */
  iterate({ signal }: OperationOptions): AsyncIterableIterator<DiscoveryEvent> {
    const end = (): void => stream.end()
    const stream = createLatestWins<ServiceState>({
      onEnd: () => {
        this.#streams.delete(stream)
        signal?.removeEventListener('abort', end)
      },
    })
    this.#streams.add(stream)
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted) stream.end()
    stream.offer(this.#current())
    return toEvents(this.#service, stream)
  }

  /** Ends every iteration. */
  close(): void {
    for (const stream of [...this.#streams]) stream.end()
  }
}

/**
 * Turns states into events with the change since the previous event. Skips states without a snapshot and states without a
 * change.
 */
function toEvents(service: string, states: AsyncIterableIterator<ServiceState>): AsyncIterableIterator<DiscoveryEvent> {
  let previous: ServiceSnapshot | undefined
  async function next(): Promise<IteratorResult<DiscoveryEvent>> {
    for (;;) {
      const step = await states.next()
      if (step.done) return { done: true, value: undefined }
      const { snapshot, stale } = step.value
      if (!snapshot) continue
      const change = diffSnapshots(previous, snapshot)
      const isNews =
        previous === undefined || previous.stale !== snapshot.stale || previous.held !== snapshot.held || !isEmptyChange(change)
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

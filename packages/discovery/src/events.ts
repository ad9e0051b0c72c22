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
export class EventBroadcaster {
  readonly #service: string
  readonly #current: () => ServiceState
  readonly #streams = new Set<LatestWins<ServiceState>>()

  /** @param current the state with which an iteration begins */
  constructor(service: string, current: () => ServiceState) {
    this.#service = service
    this.#current = current
  }

  /** Number of subscribers. */
  get size(): number {
    return this.#streams.size
  }

  /** Tells everybody. */
  publish(state: ServiceState): void {
    for (const stream of this.#streams) stream.offer(state)
  }

  /** An iteration over what happens, beginning with the current state; the latest wins. */
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

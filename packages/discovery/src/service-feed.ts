import {
  createBackoff,
  createSnapshot,
  delayBeforeRetry,
  type SdError,
  type ServiceSnapshot,
  type Staleness,
  sleep,
  toSdError,
  type Watched,
} from '@sd/core'
import type { DiskSnapshots } from './disk-snapshots.ts'
import type { InstanceFeed } from './instance-source.ts'
import { ListGuard } from './list-guard.ts'
import { withStale } from './snapshot-change.ts'

/** State of a service. */
export interface ServiceState {
  /** The last known snapshot, marked stale while the source is unreachable. It lists the held instances. */
  readonly snapshot: ServiceSnapshot | undefined
  /** Present while the source is unreachable. */
  readonly stale: Staleness | undefined
}

/** Options of {@link followService}. */
export interface ServiceFollowOptions {
  /** Name of the service. */
  readonly service: string
  /** Feed that follows the service. */
  readonly feed: InstanceFeed
  /** Storage for its snapshot, if configured. */
  readonly disk: DiskSnapshots | undefined
  /** See `DiscoveryOptions.coldStartMs`. */
  readonly coldStartMs: number
  /** See `DiscoveryOptions.emptyGuardMs`. */
  readonly emptyGuardMs: number | undefined
  /** Receives every change of the state. */
  readonly onState: (state: ServiceState) => void
  /** See `DiscoveryOptions.onError`. */
  readonly onError: (error: SdError) => void
  /** Ends the feed. */
  readonly signal: AbortSignal
}

/** Carries snapshots from the source to a cluster. */
export interface ServiceFeed {
  /** Applies a snapshot from an explicit refresh. */
  accept(snapshot: ServiceSnapshot): void
  /** Applies a new `emptyGuardMs`. */
  configure(emptyGuardMs: number | undefined): void
  /** Settles when the feed has ended. */
  readonly ended: Promise<void>
}

/**
 * Follows a service until the signal aborts. Keeps the last known list while the source is unreachable, doubts a list that
 * collapses, and starts from the list on disk if the source does not respond. A source that refuses is asked again, because
 * credentials may change.
 */
export function followService(options: ServiceFollowOptions): ServiceFeed {
  const { service, feed, disk, onState, onError, signal } = options
  let snapshot: ServiceSnapshot | undefined
  let stale: Staleness | undefined
  const guard = new ListGuard({
    holdMs: options.emptyGuardMs,
    hasLeft: (instanceId) => feed.hasLeft(service, instanceId),
    onExpire: () => guard.listed && show(guard.listed),
  })

  function publish(next: ServiceSnapshot | undefined, nextStale: Staleness | undefined): void {
    const shown = next && withStale(next, nextStale !== undefined || next.stale)
    if (shown === snapshot && nextStale === stale) return
    snapshot = shown
    stale = nextStale
    onState({ snapshot, stale })
  }

  function show(list: ServiceSnapshot): void {
    publish(list, undefined)
    // The list on disk serves a start without the source. A doubted list would be the wrong one to keep.
    if (list.held) return
    disk?.save(list).catch((error: unknown) => onError(toSdError(error, 'SD_UNAVAILABLE', `keeping the snapshot of ${service}`)))
  }

  function accept(value: ServiceSnapshot): void {
    // Sort and reuse unchanged instances before comparing.
    show(guard.accept(createSnapshot({ ...value, previous: guard.listed })))
  }

  function take(step: Watched<ServiceSnapshot>): void {
    if (step.stale) {
      guard.pause()
      publish(snapshot ?? step.value, step.stale)
    } else if (step.value) {
      accept(step.value)
    }
  }

  async function startFromDisk(): Promise<void> {
    if (!disk) return
    await sleep(options.coldStartMs, signal)
    if (snapshot) return
    const loaded = await disk.load(service)
    if (!loaded || snapshot) return
    guard.seed(loaded)
    publish(loaded, stale)
  }

  async function run(): Promise<void> {
    const backoff = createBackoff({ baseMs: 1_000, maxMs: 30_000 })
    while (!signal.aborted) {
      let failure: unknown
      try {
        for await (const step of feed.watch(service, { signal })) {
          backoff.reset()
          take(step)
        }
        if (signal.aborted) return
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', `following ${service}`)
        publish(snapshot, { since: stale?.since ?? Date.now(), error })
        failure = error
      }
      await sleep(delayBeforeRetry(backoff, failure), signal).catch(() => undefined)
    }
  }

  startFromDisk().catch((error: unknown) => {
    if (!signal.aborted) onError(toSdError(error, 'SD_UNAVAILABLE', `reading the snapshot of ${service}`))
  })
  signal.addEventListener('abort', () => guard.close(), { once: true })
  return { accept, configure: (emptyGuardMs) => guard.configure(emptyGuardMs), ended: run() }
}

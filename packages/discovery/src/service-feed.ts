import {
  createBackoff,
  createSnapshot,
  type SdError,
  type ServiceSnapshot,
  type Staleness,
  sleep,
  toSdError,
  type Watched,
  withStale,
} from '@sd/core'
import type { DiskSnapshots } from './disk-snapshots.ts'
import type { InstanceFeed } from './instance-source.ts'

/** What is known of a service. */
export interface ServiceState {
  /** The last known snapshot, marked stale while the source is away. */
  readonly snapshot: ServiceSnapshot | undefined
  /** Present while the source is away. */
  readonly stale: Staleness | undefined
}

/** Options of {@link followService}. */
export interface FollowOptions {
  /** Name of the service. */
  readonly service: string
  /** Where it is followed. */
  readonly feed: InstanceFeed
  /** Where its snapshot is kept, if it is. */
  readonly disk: DiskSnapshots | undefined
  /** See `DiscoveryOptions.coldStartMs`. */
  readonly coldStartMs: number
  /** See `DiscoveryOptions.emptyGuardMs`. */
  readonly emptyGuardMs: number
  /** Told of every change of the state. */
  readonly onState: (state: ServiceState) => void
  /** See `DiscoveryOptions.onError`. */
  readonly onError: (error: SdError) => void
  /** Ends it. */
  readonly signal: AbortSignal
}

/** The way of snapshots from the source to a cluster. */
export interface ServiceFeed {
  /** Takes a snapshot that was fetched by hand. */
  accept(snapshot: ServiceSnapshot): void
  /** Settles when the feed has ended. */
  readonly ended: Promise<void>
}

/**
 * Follows a service until the signal fires: keeps the last known list while the source is away, doubts an empty one if asked to, and
 * begins with the list on disk if the source is silent. A source that refuses is asked again, because credentials change.
 */
export function followService(options: FollowOptions): ServiceFeed {
  const { service, feed, disk, onState, onError, signal } = options
  let snapshot: ServiceSnapshot | undefined
  let stale: Staleness | undefined
  let doubt: ReturnType<typeof setTimeout> | undefined

  function publish(next: ServiceSnapshot | undefined, nextStale: Staleness | undefined): void {
    const shown = next && withStale(next, nextStale !== undefined || next.stale)
    if (shown === snapshot && nextStale === stale) return
    snapshot = shown
    stale = nextStale
    onState({ snapshot, stale })
  }

  function believe(value: ServiceSnapshot): void {
    clearTimeout(doubt)
    doubt = undefined
    const fresh = createSnapshot({ ...value, stale: false, previous: snapshot })
    publish(fresh, undefined)
    disk?.save(fresh).catch((error: unknown) => onError(toSdError(error, 'SD_UNAVAILABLE', `keeping the snapshot of ${service}`)))
  }

  function accept(value: ServiceSnapshot): void {
    const suspicious =
      options.emptyGuardMs > 0 && value.instances.length === 0 && snapshot !== undefined && snapshot.instances.length > 0
    if (!suspicious) {
      believe(value)
    } else if (doubt === undefined) {
      doubt = setTimeout(() => believe(value), options.emptyGuardMs)
      doubt.unref?.()
    }
  }

  function take(step: Watched<ServiceSnapshot>): void {
    if (step.stale) {
      // A doubt can't be settled while the source is away; if the list is still empty then, it begins anew.
      clearTimeout(doubt)
      doubt = undefined
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
    if (loaded && !snapshot) publish(loaded, stale)
  }

  async function run(): Promise<void> {
    const backoff = createBackoff({ baseMs: 1_000, maxMs: 30_000 })
    while (!signal.aborted) {
      try {
        for await (const step of feed.watch(service, { signal })) {
          backoff.reset()
          take(step)
        }
        if (signal.aborted) return
      } catch (caught) {
        const error = toSdError(caught, 'SD_UNAVAILABLE', `following ${service}`)
        publish(snapshot, { sinceMs: stale?.sinceMs ?? Date.now(), error })
      }
      await sleep(backoff.next(), signal).catch(() => undefined)
    }
  }

  startFromDisk().catch((error: unknown) => {
    if (!signal.aborted) onError(toSdError(error, 'SD_UNAVAILABLE', `reading the snapshot of ${service}`))
  })
  signal.addEventListener('abort', () => clearTimeout(doubt), { once: true })
  return { accept, ended: run() }
}

import {
  type AllServices,
  collectServices,
  createLatestWins,
  createSnapshot,
  diffSnapshots,
  type LatestWins,
  SdError,
  type ServiceSnapshot,
  type SnapshotChange,
  type Staleness,
  toSdError,
  type Watched,
} from '@sd/core'
import type { InstanceSource } from './instance-source.ts'
import { isEmptyChange } from './snapshot-change.ts'

/** All services of a source, and what changed since the previous event. */
export interface AllServicesEvent {
  /** Services that have instances, by name, in alphabetical order. */
  readonly services: ReadonlyMap<string, ServiceSnapshot>
  /**
   * Changes since the previous event, by service. The first event lists everything as added. Empty if only the staleness
   * changed.
   */
  readonly changes: ReadonlyMap<string, SnapshotChange>
  /** Present while the source is unreachable, or while it denies access to one of the services. */
  readonly stale?: Staleness | undefined
}

/** Options of {@link watchAllServices}. */
export interface WatchAllOptions {
  /** Ends the iteration. */
  readonly signal: AbortSignal
  /** Maximum number of services that are followed one by one. */
  readonly maxServices: number
  /** Called once the iteration has ended. */
  readonly onEnd: () => void
}

/**
 * Follows all services: over one stream if the source has one; otherwise it follows the list of names and each service.
 *
 * @throws SdError `SD_UNSUPPORTED` from the first `next()` if the source can't list service names
 */
export function watchAllServices(source: InstanceSource, options: WatchAllOptions): AsyncIterableIterator<AllServicesEvent> {
  const { signal, onEnd } = options
  const stream = source.capabilities?.watchAll === true ? source.watchAll?.({ signal }) : undefined
  return toEvents(stream?.[Symbol.asyncIterator]() ?? new ServiceByService(source, options).steps, onEnd)
}

function toEvents(steps: AsyncIterator<Watched<AllServices>>, onEnd: () => void): AsyncIterableIterator<AllServicesEvent> {
  let previous: AllServices | undefined
  let wasStale: Staleness | undefined
  async function next(): Promise<IteratorResult<AllServicesEvent>> {
    for (;;) {
      const step = await steps.next().catch((error: unknown) => {
        onEnd()
        throw error
      })
      if (step.done) {
        onEnd()
        return { done: true, value: undefined }
      }
      const { value: services, stale } = step.value
      if (!services) continue
      const changes = diffServices(previous, services)
      const isNews = previous === undefined || changes.size > 0 || stale !== wasStale
      previous = services
      wasStale = stale
      if (isNews) return { done: false, value: { services, changes, stale } }
    }
  }
  return {
    next,
    async return() {
      onEnd()
      await steps.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function diffServices(previous: AllServices | undefined, next: AllServices): ReadonlyMap<string, SnapshotChange> {
  const changes = new Map<string, SnapshotChange>()
  for (const [service, snapshot] of next) {
    const before = previous?.get(service)
    if (before === snapshot) continue
    const change = diffSnapshots(before, snapshot)
    if (!isEmptyChange(change)) changes.set(service, change)
  }
  for (const [service, before] of previous ?? []) {
    if (!next.has(service)) changes.set(service, diffSnapshots(before, createSnapshot({ service, instances: [] })))
  }
  return changes
}

interface Follower {
  readonly controller: AbortController
  snapshot?: ServiceSnapshot
  stale?: Staleness | undefined
}

/** All services of a source that has no stream of them. Follows the list of names and each service. */
class ServiceByService {
  readonly steps: LatestWins<Watched<AllServices>>
  readonly #source: InstanceSource
  readonly #maxServices: number
  readonly #controller = new AbortController()
  readonly #followers = new Map<string, Follower>()
  #stale: Staleness | undefined
  #isListed = false
  #isPublishing = false
  #services: AllServices | undefined
  #last: Watched<AllServices> | undefined

  constructor(source: InstanceSource, { signal, maxServices }: Omit<WatchAllOptions, 'onEnd'>) {
    this.#source = source
    this.#maxServices = maxServices
    const end = (): void => this.steps.end()
    this.steps = createLatestWins({
      onEnd: () => {
        signal.removeEventListener('abort', end)
        this.#controller.abort()
      },
    })
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    else void this.#followNames().catch((error: unknown) => this.steps.fail(error))
  }

  async #followNames(): Promise<void> {
    const { signal } = this.#controller
    if (!this.#source.watch || !this.#source.watchServices) {
      throw new SdError('SD_UNSUPPORTED', 'All services can be watched only on a source that has watch() and watchServices()')
    }
    for await (const { value: names, stale } of this.#source.watchServices({ signal })) {
      this.#stale = stale
      if (names) this.#take(names)
      this.#publishSoon()
    }
    this.steps.end()
  }

  #take(names: readonly string[]): void {
    if (names.length > this.#maxServices) {
      throw new SdError(
        'SD_TOO_LARGE',
        `The source lists ${names.length} services, want at most maxServices = ${this.#maxServices}`,
      )
    }
    this.#isListed = true
    const present = new Set(names)
    for (const [service, { controller }] of this.#followers) {
      if (present.has(service)) continue
      this.#followers.delete(service)
      controller.abort()
    }
    for (const service of names) if (!this.#followers.has(service)) this.#follow(service)
  }

  #follow(service: string): void {
    const follower: Follower = { controller: new AbortController() }
    this.#followers.set(service, follower)
    const { signal } = follower.controller
    const end = (): void => follower.controller.abort()
    this.#controller.signal.addEventListener('abort', end, { once: true })
    void this.#read(service, follower)
      .catch((caught: unknown) => {
        if (signal.aborted) return
        // A service that can't be read does not hide the others. The error is reported as staleness.
        follower.stale = { since: Date.now(), error: toSdError(caught, 'SD_UNAVAILABLE', `watching ${service}`) }
        this.#publishSoon()
      })
      .finally(() => this.#controller.signal.removeEventListener('abort', end))
  }

  async #read(service: string, follower: Follower): Promise<void> {
    const { signal } = follower.controller
    for await (const { value, stale } of (this.#source.watch as NonNullable<InstanceSource['watch']>)(service, { signal })) {
      if (signal.aborted) return
      if (value) follower.snapshot = value
      follower.stale = stale
      this.#publishSoon()
    }
  }

  /** Publishes once for all changes of one turn. The first time it waits until every service has reported. */
  #publishSoon(): void {
    if (this.#isPublishing) return
    this.#isPublishing = true
    queueMicrotask(() => {
      this.#isPublishing = false
      this.#publish()
    })
  }

  #publish(): void {
    const followers = [...this.#followers.values()]
    if (!this.#isListed) return
    if (!this.#services && followers.some(({ snapshot, stale }) => !snapshot && !stale)) return
    const snapshots = followers.flatMap(({ snapshot }) => snapshot ?? [])
    this.#services = collectServices(snapshots, this.#services)
    const stale = this.#stale ?? followers.find((follower) => follower.stale)?.stale
    const last = this.#last
    if (last && last.value === this.#services && last.stale?.error === stale?.error) return
    this.#last = { value: this.#services, ...(stale && { stale }) }
    this.steps.offer(this.#last)
  }
}

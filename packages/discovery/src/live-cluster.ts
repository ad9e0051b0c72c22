import {
  type AttachedBalancer,
  type Balancer,
  type Cluster,
  closedError,
  diffSnapshots,
  discoveryUpdateChannel,
  type EndpointView,
  hasTelemetrySubscribers,
  type OperationOptions,
  publishTelemetry,
  SdError,
  type ServiceSnapshot,
  withTimeout,
} from '@sd/core'
import { Attachments } from './attachments.ts'
import type { DiskSnapshots } from './disk-snapshots.ts'
import { EndpointSet } from './endpoint-set.ts'
import { EventFan } from './events.ts'
import type { InstanceFilter } from './filters.ts'
import type { InstanceFeed } from './instance-source.ts'
import type { ResolvedDiscoveryOptions } from './options.ts'
import { followService, type ServiceFeed, type ServiceState } from './service-feed.ts'
import { createSlowStart, type SlowStart } from './slow-start.ts'
import { createServiceCounters, type ServiceCounters } from './statistics.ts'
import { buildView, eligibleStage, filterStage, priorityStage, type ViewPlan } from './view.ts'

/** What a cluster shares with the others of one Discovery. */
export interface ClusterContext {
  /** Options of Discovery. */
  readonly options: ResolvedDiscoveryOptions
  /** Where services are followed. */
  readonly feed: InstanceFeed
  /** Where snapshots are kept, if they are. */
  readonly disk: DiskSnapshots | undefined
}

/** The live set of endpoints of one service: follows the source, coalesces what changes, and tells who uses it. */
export class LiveCluster implements Cluster {
  readonly service: string
  /** Which instances the service's options keep. */
  readonly filter: InstanceFilter | undefined
  readonly counters: ServiceCounters = createServiceCounters()
  readonly events: EventFan
  snapshot: ServiceSnapshot | undefined
  view: EndpointView
  /** When somebody used it last, by `performance.now()`. */
  usedAt: number = performance.now()
  readonly #options: ResolvedDiscoveryOptions
  readonly #plan: ViewPlan
  readonly #slowStart: SlowStart
  readonly #endpoints: EndpointSet
  readonly #attachments: Attachments
  readonly #ending = new AbortController()
  readonly #feed: ServiceFeed
  readonly #firstSnapshot: PromiseWithResolvers<void> = Promise.withResolvers()
  /** What the feed said last; `snapshot` and `view` follow it after the coalescing time. */
  #state: ServiceState = { snapshot: undefined, stale: undefined }
  #flushTimer: ReturnType<typeof setTimeout> | undefined

  constructor(service: string, { options, feed, disk }: ClusterContext) {
    this.service = service
    this.#options = options
    this.filter = Object.hasOwn(options.services, service) ? options.services[service]?.filter : undefined
    this.#slowStart = createSlowStart({
      windowMs: options.slowStartMs,
      aggression: options.slowStartAggression,
      onStep: () => this.#buildView(),
    })
    this.#plan = {
      stages: [...(this.filter ? [filterStage(this.filter)] : []), eligibleStage, priorityStage],
      share: this.#slowStart.share,
    }
    this.view = buildView([], this.#plan, 0)
    this.#attachments = new Attachments(() => this.view)
    this.#endpoints = new EndpointSet({ onChange: (endpoint) => this.#attachments.changed(endpoint) })
    this.events = new EventFan(service, () => ({ snapshot: this.snapshot, stale: this.#state.stale }))
    this.#firstSnapshot.promise.catch(() => undefined)
    this.#feed = followService({
      service,
      feed,
      disk,
      coldStartMs: options.coldStartMs,
      emptyGuardMs: options.emptyGuardMs,
      onError: options.onError,
      onState: (state) => this.#receive(state),
      signal: this.#ending.signal,
    })
  }

  /** Whether nobody has a balancer attached or listens. */
  get isUnused(): boolean {
    return this.#attachments.size === 0 && this.events.size === 0
  }

  /** Why the source is away, and since when, as far as it is. */
  get stale(): ServiceState['stale'] {
    return this.#state.stale
  }

  async ready({ signal }: OperationOptions = {}): Promise<void> {
    this.usedAt = performance.now()
    if (this.#ending.signal.aborted) throw closedError('discovery')
    if (this.snapshot) {
      this.counters.hits++
      return
    }
    this.counters.misses++
    const { readyTimeoutMs: timeoutMs } = this.#options
    try {
      await withTimeout({ timeoutMs, what: `the first lookup of ${this.service}`, signal }, () => this.#firstSnapshot.promise)
    } catch (error) {
      const isTimeout = SdError.isInstance(error) && error.code === 'SD_TIMEOUT'
      throw (isTimeout && this.#state.stale?.error) || error
    }
  }

  attach(balancer: Balancer): AttachedBalancer {
    return this.#attachments.attach(balancer)
  }

  /** Takes a snapshot that was fetched by hand, at once. */
  accept(snapshot: ServiceSnapshot): void {
    this.#feed.accept(snapshot)
    this.#flush()
  }

  async close(): Promise<void> {
    this.#ending.abort()
    clearTimeout(this.#flushTimer)
    this.#slowStart.close()
    this.events.close()
    this.#firstSnapshot.reject(closedError('discovery'))
    await this.#feed.ended
  }

  #receive(state: ServiceState): void {
    if (this.#ending.signal.aborted) return
    this.#state = state
    // What waiting can't heal is told at once to who waits for a first snapshot.
    if (state.stale?.error.retryable === false && !state.snapshot) this.#firstSnapshot.reject(state.stale.error)
    // Who is gone must not be picked for as long as the change is held back.
    if (state.snapshot) this.#endpoints.replace(state.snapshot.instances)
    if (!this.snapshot || this.#options.coalesceMs === 0) this.#flush()
    else if (this.#flushTimer === undefined) {
      this.#flushTimer = setTimeout(() => this.#flush(), this.#options.coalesceMs)
      this.#flushTimer.unref?.()
    }
  }

  #flush(): void {
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
    const { snapshot } = this.#state
    if (!snapshot) return
    const previous = this.snapshot
    if (previous === snapshot) return
    this.snapshot = snapshot
    this.counters.updates++
    if (previous?.instances !== snapshot.instances) this.#buildView()
    this.#firstSnapshot.resolve()
    this.events.publish({ snapshot, stale: this.#state.stale })
    if (hasTelemetrySubscribers(discoveryUpdateChannel)) {
      publishTelemetry(discoveryUpdateChannel, { service: this.service, snapshot, change: diffSnapshots(previous, snapshot) })
    }
  }

  #buildView(): void {
    this.view = buildView(this.#endpoints.endpoints, this.#plan, this.view.epoch + 1)
    this.#slowStart.follow(this.view.endpoints)
  }
}

import {
  type AttachedBalancer,
  type Balancer,
  type Cluster,
  type ClusterExplanation,
  closedError,
  diffSnapshots,
  discoveryUpdateChannel,
  type EndpointView,
  hasTelemetrySubscribers,
  type OperationOptions,
  publishTelemetry,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
  withTimeout,
} from '@sd/core'
import { Attachments } from './attachments.ts'
import type { DiskSnapshots } from './disk-snapshots.ts'
import { Ejections } from './ejections.ts'
import { EndpointSet } from './endpoint-set.ts'
import { EventFan } from './events.ts'
import { explainEndpoints } from './explain.ts'
import type { InstanceFilter } from './filters.ts'
import type { InstanceFeed } from './instance-source.ts'
import { type AttachedMonitors, attachMonitors } from './monitors.ts'
import type { ResolvedDiscoveryOptions } from './options.ts'
import { createRamps, type Ramps } from './ramps.ts'
import { followService, type ServiceFeed, type ServiceState } from './service-feed.ts'
import { createServiceCounters, type ServiceCounters } from './statistics.ts'
import { createSubset } from './subset.ts'
import { applyStages, buildView, createViewPlan, type ViewPlan } from './view.ts'

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
  /** When it was made, by `performance.now()`. */
  readonly startedAt: number = performance.now()
  /** When somebody used it last, likewise. */
  usedAt: number = performance.now()
  readonly #options: ResolvedDiscoveryOptions
  readonly #plan: ViewPlan
  readonly #ejections: Ejections
  readonly #monitors: AttachedMonitors
  readonly #ramps: Ramps
  readonly #endpoints: EndpointSet
  readonly #attachments: Attachments
  readonly #ending = new AbortController()
  readonly #feed: ServiceFeed
  readonly #firstSnapshot: PromiseWithResolvers<void> = Promise.withResolvers()
  /** What the feed said last; `snapshot` and `view` follow it after the coalescing time. */
  #state: ServiceState = { snapshot: undefined, stale: undefined }
  #viewIsOutdated = false
  #flushTimer: ReturnType<typeof setTimeout> | undefined

  constructor(service: string, { options, feed, disk }: ClusterContext) {
    this.service = service
    this.#options = options
    const { filter, monitors, subset } = options.services.get(service) ?? options.anyService
    this.filter = filter
    this.#ramps = createRamps({
      slowStartMs: options.slowStartMs,
      aggression: options.slowStartAggression,
      onStep: () => this.#buildView(),
    })
    this.#ejections = new Ejections({
      service,
      panicThreshold: options.panicThreshold,
      onReturn: this.#ramps.recover,
      onChange: () => this.#outdateView(),
    })
    this.#plan = createViewPlan({
      filter,
      ejections: this.#ejections,
      subset: subset && createSubset(subset),
      share: this.#ramps.share,
    })
    this.view = buildView([], this.#plan, 0)
    this.#attachments = new Attachments(() => this.view)
    this.#monitors = attachMonitors({ service, monitors, ejections: this.#ejections, onError: options.onError })
    const { observe } = this.#monitors
    this.#endpoints = new EndpointSet({
      onChange: (endpoint) => this.#attachments.changed(endpoint),
      ...(observe && { onOutcome: observe }),
    })
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

  /** Number of endpoints that monitors took out. */
  get ejected(): number {
    return this.#ejections.count
  }

  /** Whether so few endpoints are well that all are used. */
  get isPanic(): boolean {
    return this.#ejections.isPanic
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

  explain(): ClusterExplanation {
    const { stale } = this.#state
    return {
      service: this.service,
      isPanic: this.isPanic,
      ...(stale && { staleSinceMs: stale.sinceMs }),
      endpoints: explainEndpoints(this.#endpoints.endpoints, this.#plan, this.#ejections),
    }
  }

  /** Takes a snapshot that was fetched by hand, at once. */
  accept(snapshot: ServiceSnapshot): void {
    this.#feed.accept(snapshot)
    this.#flush()
  }

  async close(): Promise<void> {
    this.#ending.abort()
    clearTimeout(this.#flushTimer)
    this.#monitors.close()
    this.#ramps.close()
    this.events.close()
    this.#firstSnapshot.reject(closedError('discovery'))
    await this.#feed.ended
  }

  #receive(state: ServiceState): void {
    if (this.#ending.signal.aborted) return
    const before = this.#state
    this.#state = state
    // What waiting can't heal is told at once to who waits for a first snapshot.
    if (state.stale?.error.retryable === false && !state.snapshot) this.#firstSnapshot.reject(state.stale.error)
    if (state.snapshot && state.snapshot.instances !== before.snapshot?.instances) this.#replace(state.snapshot.instances)
    this.#flushSoon()
  }

  /** What can't wait until the change is applied: who is gone must not be picked, and monitors begin with who is new. */
  #replace(instances: readonly ServiceInstance[]): void {
    this.#endpoints.replace(instances)
    this.#ejections.replace(applyStages(this.#endpoints.endpoints, this.#plan.members))
    this.#viewIsOutdated = true
    this.#monitors.update()
  }

  #outdateView(): void {
    this.#viewIsOutdated = true
    this.#flushSoon()
  }

  #flushSoon(): void {
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
    if (this.#viewIsOutdated) this.#buildView()
    const previous = this.snapshot
    if (!snapshot || previous === snapshot) return
    this.snapshot = snapshot
    this.counters.updates++
    this.#firstSnapshot.resolve()
    this.events.publish({ snapshot, stale: this.#state.stale })
    if (hasTelemetrySubscribers(discoveryUpdateChannel)) {
      publishTelemetry(discoveryUpdateChannel, { service: this.service, snapshot, change: diffSnapshots(previous, snapshot) })
    }
  }

  #buildView(): void {
    this.#viewIsOutdated = false
    this.view = buildView(this.#ejections.endpoints, this.#plan, this.view.epoch + 1)
    this.#ramps.follow(this.view.endpoints)
  }
}

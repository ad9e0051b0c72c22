import {
  type AttachedBalancer,
  type Balancer,
  type Cluster,
  type ClusterExplanation,
  closedError,
  diffSnapshots,
  type Endpoint,
  type EndpointView,
  guardListener,
  hasTelemetrySubscribers,
  type OperationOptions,
  type OutReason,
  publishTelemetry,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
  withTimeout,
} from '@sd/core'
import { Attachments } from './attachments.ts'
import type { DiskSnapshots } from './disk-snapshots.ts'
import { EndpointSet } from './endpoint-set.ts'
import { EventBroadcaster } from './events.ts'
import { explainEndpoints } from './explain.ts'
import { FailureAccrual } from './failure-accrual.ts'
import type { InstanceFilter } from './filters.ts'
import type { InstanceFeed } from './instance-source.ts'
import { type AttachedMonitors, attachMonitors } from './monitors.ts'
import { type ResolvedDiscoveryOptions, type ResolvedServiceOptions, serviceOptionsOf } from './options.ts'
import { Outs } from './outs.ts'
import { createRamps, type Ramps } from './ramps.ts'
import { followService, type ServiceFeed, type ServiceState } from './service-feed.ts'
import { createServiceCounters, type ServiceCounters } from './statistics.ts'
import { createSubset } from './subset.ts'
import { buildView, createViewPlan, type Membership, sortMembers, type ViewPlan } from './view.ts'

/** What a cluster shares with the others of one Discovery. */
export interface ClusterContext {
  /** Options of Discovery, as of now. */
  readonly options: ResolvedDiscoveryOptions
  /** Where services are followed. */
  readonly feed: InstanceFeed
  /** Where snapshots are kept, if they are. */
  readonly disk: DiskSnapshots | undefined
}

/** The live set of endpoints of one service: follows the source, coalesces what changes, and tells who uses it. */
export class LiveCluster implements Cluster {
  readonly service: string
  readonly counters: ServiceCounters = createServiceCounters()
  readonly events: EventBroadcaster
  snapshot: ServiceSnapshot | undefined
  view: EndpointView
  /** When it was made, by `performance.now()`. */
  readonly startedAt: number = performance.now()
  /** When somebody used it last, likewise. */
  usedAt: number = performance.now()
  /** Whether the source ever listed an instance. */
  isUnknown = true
  #options: ResolvedDiscoveryOptions
  #own: ResolvedServiceOptions
  #plan: ViewPlan
  #accrual: FailureAccrual | undefined
  readonly #outs: Outs
  readonly #monitors: AttachedMonitors
  readonly #ramps: Ramps
  readonly #endpoints: EndpointSet
  readonly #attachments: Attachments
  readonly #listeners = new Set<() => void>()
  readonly #ending = new AbortController()
  readonly #feed: ServiceFeed
  readonly #instances: InstanceFeed
  readonly #firstSnapshot: PromiseWithResolvers<void> = Promise.withResolvers()
  /** What the feed said last; `snapshot` and `view` follow it after the coalescing time. */
  #state: ServiceState = { snapshot: undefined, stale: undefined }
  #membership: Membership = { members: [], draining: [] }
  #heldIds: ReadonlySet<string> = new Set()
  #viewIsOutdated = false
  /** Whether a list is being taken over: what changes on the way is looked at once, at its end. */
  #isReplacing = false
  #flushTimer: ReturnType<typeof setTimeout> | undefined

  constructor(service: string, { options, feed, disk }: ClusterContext) {
    this.service = service
    this.#options = options
    this.#instances = feed
    this.#own = serviceOptionsOf(options, service)
    this.#ramps = createRamps({ settings: () => this.#options, onStep: () => this.#replaceView() })
    this.#outs = new Outs({
      service,
      panicThreshold: options.panicThreshold,
      hasHeld: () => this.#heldIds.size > 0,
      isHeld: ({ instance }) => this.#heldIds.has(instance.id),
      onReturn: this.#ramps.recover,
      onChange: () => this.#outdateView(),
      onPanic: () => this.#accrual?.hurry(),
    })
    this.#accrual = this.#createAccrual(options)
    this.#plan = this.#createPlan()
    this.view = buildView(this.#membership, this.#plan, 0)
    this.#attachments = new Attachments({
      currentView: () => this.view,
      mayTry: (endpoint, isRepeatable) => this.#accrual?.mayTry(endpoint, isRepeatable) ?? true,
    })
    const { monitors } = this.#own
    this.#monitors = attachMonitors({ service, monitors, outs: this.#outs, onError: options.onError })
    this.#endpoints = new EndpointSet({
      onChange: (endpoint) => this.#attachments.changed(endpoint),
      onOutcome: (endpoint, outcome) => {
        // Monitors first: what the user set up is the reason that is shown first.
        this.#monitors.observe(endpoint, outcome)
        this.#accrual?.observe(endpoint, outcome)
      },
      onSilence: (endpoint, silentMs) => this.#accrual?.silent(endpoint, silentMs),
      onAnswer: (endpoint) => this.#accrual?.answered(endpoint),
      onBlock: (endpoint) => this.#blocked(endpoint),
      onRemoved: (endpoint) => this.#accrual?.forget(endpoint),
    })
    this.events = new EventBroadcaster(service, () => ({ snapshot: this.snapshot, stale: this.#state.stale }))
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

  /** Which instances the service's options keep. */
  get filter(): InstanceFilter | undefined {
    return this.#own.filter
  }

  /** Whether it was closed. */
  get isClosed(): boolean {
    return this.#ending.signal.aborted
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
    return this.#outs.ejected
  }

  /** Number of endpoints that are out. */
  get out(): number {
    return this.#outs.count
  }

  /** Number of endpoints that are out, by the first reason of each. */
  get outBy(): Partial<Record<OutReason, number>> {
    return this.#outs.countByReason()
  }

  /** Whether so few endpoints are in that those that are out are used too. */
  get isPanic(): boolean {
    return this.#outs.isPanic
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
      const isTimeout = error instanceof SdError && error.code === 'SD_TIMEOUT'
      throw (isTimeout && this.#state.stale?.error) || error
    }
  }

  attach(balancer: Balancer): AttachedBalancer {
    return this.#attachments.attach(balancer)
  }

  onChange(listener: () => void): () => void {
    const guarded = guardListener(`listener of the cluster ${this.service}`, listener)
    this.#listeners.add(guarded)
    return () => void this.#listeners.delete(guarded)
  }

  explain(): ClusterExplanation {
    const { stale, snapshot } = this.#state
    const held = snapshot?.held
    const withoutPort = this.#instances.withoutPort(this.service)
    return {
      service: this.service,
      isUnknown: this.isUnknown,
      isPanic: this.isPanic,
      ...(stale && { staleSince: stale.since }),
      ...(withoutPort > 0 && { withoutPort }),
      ...(held && { held }),
      endpoints: explainEndpoints(this.#endpoints.endpoints, this.#plan, this.#monitors.checksOf),
    }
  }

  /** Takes a snapshot that was fetched by hand, at once. */
  accept(snapshot: ServiceSnapshot): void {
    this.#feed.accept(snapshot)
    this.#flush()
  }

  /** Takes other options over; what they do not change stays as it is. */
  configure(options: ResolvedDiscoveryOptions): void {
    const before = this.#own
    const { failureAccrual } = this.#options
    this.#options = options
    this.#own = serviceOptionsOf(options, this.service)
    this.#outs.configure(options.panicThreshold)
    if (options.failureAccrual && failureAccrual) {
      this.#accrual?.configure(options.failureAccrual)
    } else {
      this.#accrual?.close()
      this.#accrual = this.#createAccrual(options)
    }
    this.#feed.configure(options.emptyGuardMs)
    if (this.#own.filter !== before.filter || !isSameSubset(this.#own.subset, before.subset)) {
      this.#plan = this.#createPlan()
      this.#sort()
      this.#monitors.update()
    }
    this.#monitors.configure(this.#own.monitors)
    this.#replaceView()
  }

  async close(): Promise<void> {
    this.#ending.abort()
    clearTimeout(this.#flushTimer)
    this.#monitors.close()
    this.#accrual?.close()
    this.#ramps.close()
    this.events.close()
    this.#firstSnapshot.reject(closedError('discovery'))
    this.#tell()
    await this.#feed.ended
  }

  #receive(state: ServiceState): void {
    if (this.#ending.signal.aborted) return
    const before = this.#state
    this.#state = state
    // What waiting can't heal is told at once to who waits for a first snapshot.
    if (state.stale?.error.retryable === false && !state.snapshot) this.#firstSnapshot.reject(state.stale.error)
    const { snapshot } = state
    if (snapshot && (snapshot.instances !== before.snapshot?.instances || snapshot.held !== before.snapshot?.held)) {
      if (snapshot.instances.length > 0) this.isUnknown = false
      this.#heldIds = new Set(snapshot.held?.instanceIds)
      this.#replace(snapshot.instances)
    }
    this.#flushSoon()
  }

  /** What can't wait until the change is applied: what was removed must not be picked, and monitors begin with what is new. */
  #replace(instances: readonly ServiceInstance[]): void {
    this.#isReplacing = true
    this.#endpoints.replace(instances)
    this.#sort()
    this.#isReplacing = false
    this.#monitors.update()
    this.#viewIsOutdated = true
  }

  #sort(): void {
    this.#membership = sortMembers(this.#endpoints.endpoints, this.#plan.filter)
    this.#outs.replace(this.#membership.members)
  }

  #blocked(endpoint: Endpoint): void {
    if (!this.#isReplacing) this.#outs.blocked(endpoint)
  }

  #outdateView(): void {
    this.#viewIsOutdated = true
    this.#flushSoon()
  }

  #createPlan(): ViewPlan {
    const { filter, subset } = this.#own
    return createViewPlan({ filter, outs: this.#outs, subset: subset && createSubset(subset), share: this.#ramps.share })
  }

  #createAccrual({ failureAccrual }: ResolvedDiscoveryOptions): FailureAccrual | undefined {
    return failureAccrual && new FailureAccrual({ options: failureAccrual, isPanic: () => this.isPanic })
  }

  #flushSoon(): void {
    if (this.isClosed) return
    // A view of which nothing may be picked any more is not kept until the coalescing time is over.
    const isUsable = this.view.endpoints.some(({ available }) => available)
    if (!this.snapshot || !isUsable || this.#options.coalesceMs === 0) this.#flush()
    else if (this.#flushTimer === undefined) {
      this.#flushTimer = setTimeout(() => this.#flush(), this.#options.coalesceMs)
      this.#flushTimer.unref?.()
    }
  }

  #flush(): void {
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
    const { snapshot } = this.#state
    const hasNewView = this.#viewIsOutdated
    if (hasNewView) this.#buildView()
    if (snapshot && snapshot !== this.snapshot) this.#takeOver(snapshot)
    else if (!hasNewView) return
    this.#tell()
  }

  #takeOver(snapshot: ServiceSnapshot): void {
    const previous = this.snapshot
    this.snapshot = snapshot
    this.counters.updates++
    this.#firstSnapshot.resolve()
    this.events.publish({ snapshot, stale: this.#state.stale })
    if (hasTelemetrySubscribers('sd:v1:discovery:update')) {
      publishTelemetry('sd:v1:discovery:update', { service: this.service, snapshot, change: diffSnapshots(previous, snapshot) })
    }
  }

  #replaceView(): void {
    this.#buildView()
    this.#tell()
  }

  #tell(): void {
    for (const tell of [...this.#listeners]) tell()
  }

  #buildView(): void {
    this.#viewIsOutdated = false
    this.view = buildView(this.#membership, this.#plan, this.view.epoch + 1)
    this.#ramps.follow(this.view.endpoints)
  }
}

function isSameSubset(a: ResolvedServiceOptions['subset'], b: ResolvedServiceOptions['subset']): boolean {
  return a?.size === b?.size && a?.clientId === b?.clientId
}

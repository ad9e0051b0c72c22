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

/** What a cluster shares with the other clusters of the same Discovery. */
export interface ClusterContext {
  /** The options currently in effect. */
  readonly options: ResolvedDiscoveryOptions
  /** Where services are followed. */
  readonly feed: InstanceFeed
  /** Storage for snapshots, if configured. */
  readonly disk: DiskSnapshots | undefined
}

/** The live endpoints of one service. Follows the source, coalesces changes, and notifies balancers, monitors and subscribers. */
export class LiveCluster implements Cluster {
  readonly service: string
  readonly counters: ServiceCounters = createServiceCounters()
  readonly events: EventBroadcaster
  snapshot: ServiceSnapshot | undefined
  view: EndpointView
  /** Time of creation, by `performance.now()`. */
  readonly startedAt: number = performance.now()
  /** Time of the last use, by `performance.now()`. */
  usedAt: number = performance.now()
  /** Whether the source has not listed any instance so far. */
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
  /** Last state from the feed. `snapshot` and `view` follow it after the coalescing time. */
  #state: ServiceState = { snapshot: undefined, stale: undefined }
  #membership: Membership = { members: [], draining: [] }
  #heldIds: ReadonlySet<string> = new Set()
  #viewIsOutdated = false
  /** Whether a list is being applied. Changes during that time are handled once, at the end. */
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
      onPanic: () => this.#accrual?.detectSooner(),
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
        // Monitors first: the reason of a monitor that the user configured is the one to show first.
        this.#monitors.observe(endpoint, outcome)
        this.#accrual?.observe(endpoint, outcome)
      },
      onSilence: (endpoint, silentMs) => this.#accrual?.silent(endpoint, silentMs),
      onResponse: (endpoint) => this.#accrual?.responded(endpoint),
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

  /** The filter from the service's options. */
  get filter(): InstanceFilter | undefined {
    return this.#own.filter
  }

  /** Whether the cluster is closed. */
  get isClosed(): boolean {
    return this.#ending.signal.aborted
  }

  /** Whether the cluster has neither an attached balancer nor a subscriber. */
  get isUnused(): boolean {
    return this.#attachments.size === 0 && this.events.size === 0
  }

  /** Why the source is unreachable, and since when; `undefined` while it is reachable. */
  get stale(): ServiceState['stale'] {
    return this.#state.stale
  }

  /** Number of endpoints that monitors ejected. */
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

  /** Applies a snapshot from an explicit refresh at once. */
  accept(snapshot: ServiceSnapshot): void {
    this.#feed.accept(snapshot)
    this.#flush()
  }

  /** Applies new options. State that they do not affect is kept. */
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
    this.#notify()
    await this.#feed.ended
  }

  #receive(state: ServiceState): void {
    if (this.#ending.signal.aborted) return
    const before = this.#state
    this.#state = state
    // An error that waiting can't fix is passed at once to callers that wait for the first snapshot.
    if (state.stale?.error.retryable === false && !state.snapshot) this.#firstSnapshot.reject(state.stale.error)
    const { snapshot } = state
    if (snapshot && (snapshot.instances !== before.snapshot?.instances || snapshot.held !== before.snapshot?.held)) {
      if (snapshot.instances.length > 0) this.isUnknown = false
      this.#heldIds = new Set(snapshot.held?.instanceIds)
      this.#replace(snapshot.instances)
    }
    this.#flushSoon()
  }

  /**
   * The part of a change that can't wait for the coalescing time: removed endpoints must not be picked, and monitors start
   * on new ones.
   */
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
    // Rebuild at once if no endpoint of the current view can be picked.
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
    this.#notify()
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
    this.#notify()
  }

  #notify(): void {
    for (const notify of [...this.#listeners]) notify()
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

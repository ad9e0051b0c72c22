import {
  type Ejection,
  type Endpoint,
  type EndpointOut,
  hasTelemetrySubscribers,
  type OutReason,
  type OverruledBlocks,
  publishTelemetry,
} from '@sd/core'

/** Options of {@link Outs}. */
export interface OutsOptions {
  /** Name of the service. */
  readonly service: string
  /** See `DiscoveryOptions.panicThreshold`. */
  readonly panicThreshold: number
  /** Whether any endpoint is held, that is, kept although the source no longer lists it. */
  readonly hasHeld: () => boolean
  /** Whether this endpoint is held. */
  readonly isHeld: (endpoint: Endpoint) => boolean
  /** Called when the last ejection of an endpoint ends. Its weight grows back within `rampMs`. */
  readonly onReturn: (endpoint: Endpoint, rampMs: number) => void
  /** Called when an endpoint goes out or comes in, which may also begin or end a panic. */
  readonly onChange: () => void
  /** Called when a panic begins. */
  readonly onPanic: () => void
}

/**
 * The endpoints that are out, for whatever reason: they report themselves unhealthy, a monitor ejected them, a breaker
 * blocks them, they are unreachable or failing, or they sent `Retry-After`. One threshold applies to all reasons together:
 * if the share of endpoints that are in is below `panicThreshold`, those that are out are used too.
 */
export class Outs {
  /** The endpoints that are judged: those that pass the filter and are not draining. */
  members: readonly Endpoint[] = []
  /** Whether endpoints that are out are used too. */
  isPanic: boolean = false
  readonly #options: OutsOptions
  readonly #ejectedBy = new Map<Endpoint, Set<string>>()
  #known: ReadonlySet<Endpoint> | undefined
  #out = new Set<Endpoint>()
  #failing = new Set<Endpoint>()
  /** Number of members with a weight above 0. */
  #weighted = 0
  #overruled: OverruledBlocks = 'none'
  #panicThreshold: number

  constructor(options: OutsOptions) {
    this.#options = options
    this.#panicThreshold = options.panicThreshold
  }

  /** Number of endpoints that monitors ejected. */
  get ejected(): number {
    return this.#ejectedBy.size
  }

  /** Number of members that are out. Excludes members of weight 0, which get no traffic anyway. */
  get count(): number {
    return this.#out.size
  }

  /** Number of members that are out, by the first reason of each. */
  countByReason(): Partial<Record<OutReason, number>> {
    const counts: Partial<Record<OutReason, number>> = {}
    for (const endpoint of this.#out) {
      const reason = outsOf(endpoint)[0]?.reason ?? 'blocked'
      counts[reason] = (counts[reason] ?? 0) + 1
    }
    return counts
  }

  /** Whether no member is in. */
  get isEmpty(): boolean {
    return this.#out.size === this.#weighted
  }

  /** Whether a member has a weight and is not out. */
  isIn(endpoint: Endpoint): boolean {
    return endpoint.instance.weight > 0 && !this.#out.has(endpoint)
  }

  /** Applies a new list, or the same endpoints with new health. Ends the ejections of endpoints that are not in it. */
  replace(members: readonly Endpoint[]): void {
    this.members = members
    this.#known = undefined
    for (const endpoint of this.#ejectedBy.keys()) if (!this.#isMember(endpoint)) this.#forget(endpoint)
    for (const endpoint of this.#out) if (!this.#isMember(endpoint)) endpoint.overrule('none')
    this.#out = new Set()
    this.#failing = new Set()
    this.#weighted = 0
    for (const endpoint of members) {
      if (endpoint.instance.weight > 0) this.#weighted++
      this.#sort(endpoint)
    }
    this.#judge()
    for (const endpoint of this.#out) endpoint.overrule(this.#overruled)
  }

  /** Applies a new threshold. */
  configure(panicThreshold: number): void {
    if (panicThreshold === this.#panicThreshold) return
    this.#panicThreshold = panicThreshold
    this.#judge()
    this.#options.onChange()
  }

  /** The blocks of an endpoint changed. */
  blocked(endpoint: Endpoint): void {
    if (this.#isMember(endpoint)) {
      this.#sort(endpoint)
      this.#judge()
      endpoint.overrule(this.#overruled)
    }
    this.#options.onChange()
  }

  /** See `MonitoredCluster.eject`. */
  eject(monitor: string, endpoint: Endpoint, ejection: Ejection): void {
    const by = this.#ejectedBy.get(endpoint)
    if (by?.has(monitor) || !this.#isMember(endpoint)) return
    if (by) by.add(monitor)
    else this.#ejectedBy.set(endpoint, new Set([monitor]))
    const { reason: detail, forMs } = ejection
    endpoint.block(blockOf(monitor), { reason: 'ejected', detail: `${monitor}: ${detail}`, forMs })
    publishEjection(endpoint, monitor, ejection)
  }

  /** See `MonitoredCluster.restore`. */
  restore(monitor: string, endpoint: Endpoint, rampMs: number): void {
    const by = this.#ejectedBy.get(endpoint)
    if (!by?.delete(monitor)) return
    if (by.size === 0) {
      this.#ejectedBy.delete(endpoint)
      this.#options.onReturn(endpoint, rampMs)
    }
    endpoint.unblock(blockOf(monitor))
    publishEjection(endpoint, monitor)
  }

  /** Ends all ejections of a monitor. */
  restoreAll(monitor: string): void {
    for (const endpoint of [...this.#ejectedBy.keys()]) this.restore(monitor, endpoint, 0)
  }

  #forget(endpoint: Endpoint): void {
    const by = this.#ejectedBy.get(endpoint)
    this.#ejectedBy.delete(endpoint)
    for (const monitor of by ?? []) endpoint.unblock(blockOf(monitor))
  }

  #sort(endpoint: Endpoint): void {
    if (endpoint.instance.weight === 0) return
    if (isOut(endpoint)) this.#out.add(endpoint)
    else this.#out.delete(endpoint)
    if (endpoint.isFailing) this.#failing.add(endpoint)
    else this.#failing.delete(endpoint)
  }

  #isMember(endpoint: Endpoint): boolean {
    this.#known ??= new Set(this.members)
    return this.#known.has(endpoint)
  }

  /** Begins or ends a panic. It takes effect at once; the view follows later. */
  #judge(): void {
    const { service } = this.#options
    // Both the registry and the connection indicate that a held endpoint which is out does not exist: don't expect it to be in.
    const missing = this.#options.hasHeld() ? [...this.#out].filter(this.#options.isHeld).length : 0
    const length = this.#weighted
    const inCount = length - this.#out.size
    const inShare = length === 0 ? 1 : inCount / (length - (inCount === 0 ? 0 : missing))
    const isPanic = inShare < this.#panicThreshold
    const isDead = this.#failing.size === length && length > 0
    this.#overrule(isDead ? 'failing' : isPanic ? 'judged' : 'none')
    // If all fail, all are used, whatever the threshold: the cause is probably the network, or a short fault of all of them.
    if (this.isPanic === (isPanic || isDead)) return
    this.isPanic = isPanic || isDead
    publishTelemetry('sd:v1:cluster:panic', { service, isPanic: this.isPanic, healthyShare: inShare })
    if (this.isPanic) this.#options.onPanic()
  }

  #overrule(overruled: OverruledBlocks): void {
    if (overruled === this.#overruled) return
    this.#overruled = overruled
    for (const endpoint of this.#out) endpoint.overrule(overruled)
  }
}

/** Whether anything keeps an endpoint out: its own health status or a block, even an overruled one. */
function isOut(endpoint: Endpoint): boolean {
  return endpoint.instance.health.status === 'unhealthy' || endpoint.isBlocked
}

/** Why an endpoint is out, most important reason first. */
export function outsOf({ instance, blocks }: Endpoint): readonly EndpointOut[] {
  const { status, message, checkedAt } = instance.health
  const isByWord = status === 'unhealthy' || status === 'draining'
  return isByWord ? [{ reason: status, detail: message, since: checkedAt }, ...blocks] : blocks
}

/** Publishes that an endpoint was ejected, or restored if there is no `ejection`. */
export function publishEjection(endpoint: Endpoint, monitor: string, ejection?: Ejection): void {
  if (!hasTelemetrySubscribers('sd:v1:endpoint:ejection')) return
  const { service, id: instanceId } = endpoint.instance
  publishTelemetry('sd:v1:endpoint:ejection', { service, instanceId, origin: endpoint.origin, monitor, ejection })
}

function blockOf(monitor: string): string {
  return `monitor ${monitor}`
}

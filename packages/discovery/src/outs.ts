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
  /** Whether any endpoint is kept although its source does not list it any more. */
  readonly hasHeld: () => boolean
  /** Whether an endpoint is kept although its source does not list it any more. */
  readonly isHeld: (endpoint: Endpoint) => boolean
  /** The last ejection of an endpoint was taken back: it is to come to its full weight within that time. */
  readonly onReturn: (endpoint: Endpoint, rampMs: number) => void
  /** An endpoint is out or in again, and with that perhaps a panic began or ended. */
  readonly onChange: () => void
  /** A panic began. */
  readonly onPanic: () => void
}

/**
 * Which endpoints are out, for whatever reason: unhealthy by their own word, ejected by a monitor, blocked by a breaker, unreachable,
 * failing, or because they said when to come back. One share decides about all of them together: if fewer than `panicThreshold` are in,
 * those that are out are used too.
 */
export class Outs {
  /** The endpoints that are judged: those that the filter keeps and that are not draining. */
  members: readonly Endpoint[] = []
  /** Whether endpoints that are out are used too. */
  isPanic: boolean = false
  readonly #options: OutsOptions
  readonly #ejectedBy = new Map<Endpoint, Set<string>>()
  #known: ReadonlySet<Endpoint> | undefined
  #out = new Set<Endpoint>()
  #failing = new Set<Endpoint>()
  /** Number of members that have a weight. */
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

  /** Number of members that are out, without those of weight 0, which get no traffic anyway. */
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

  /** Whether a member has a weight and nothing keeps it out. */
  isIn(endpoint: Endpoint): boolean {
    return endpoint.instance.weight > 0 && !this.#out.has(endpoint)
  }

  /** Takes over another list, or the same endpoints with other health. The ejections of those that are not in it end. */
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

  /** Takes over another share. */
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

  /** Takes all ejections of a monitor back. */
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

  /** Begins or ends a panic. It is in effect at once: the view follows later. */
  #judge(): void {
    const { service } = this.#options
    // Two witnesses, the registry and the connection, say that a held endpoint which is out is not there: it is not missed.
    const missing = this.#options.hasHeld() ? [...this.#out].filter(this.#options.isHeld).length : 0
    const length = this.#weighted
    const inCount = length - this.#out.size
    const inShare = length === 0 ? 1 : inCount / (length - (inCount === 0 ? 0 : missing))
    const isPanic = inShare < this.#panicThreshold
    const isDead = this.#failing.size === length && length > 0
    this.#overrule(isDead ? 'failing' : isPanic ? 'judged' : 'none')
    // All fail: they are used whatever the threshold is, because then it is more likely the way to them, or a blip of all.
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

/** Whether anything keeps an endpoint out: its own word, or a block, in effect or not. */
function isOut(endpoint: Endpoint): boolean {
  return endpoint.instance.health.status === 'unhealthy' || endpoint.isBlocked
}

/** Why an endpoint is out, in the order in which a view asks. */
export function outsOf({ instance, blocks }: Endpoint): readonly EndpointOut[] {
  const { status, message, checkedAt } = instance.health
  const isByWord = status === 'unhealthy' || status === 'draining'
  return isByWord ? [{ reason: status, detail: message, since: checkedAt }, ...blocks] : blocks
}

/** Publishes that an endpoint was taken out, or put back if there is no ejection. */
export function publishEjection(endpoint: Endpoint, monitor: string, ejection?: Ejection): void {
  if (!hasTelemetrySubscribers('sd:v1:endpoint:ejection')) return
  const { service, id: instanceId } = endpoint.instance
  publishTelemetry('sd:v1:endpoint:ejection', { service, instanceId, origin: endpoint.origin, monitor, ejection })
}

function blockOf(monitor: string): string {
  return `monitor ${monitor}`
}

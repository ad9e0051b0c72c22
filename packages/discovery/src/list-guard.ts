import { createSnapshot, endpointKey, type ServiceInstance, type ServiceSnapshot } from '@sd/core'

/** Options of {@link ListGuard}. */
export interface ListGuardOptions {
  /** See `DiscoveryOptions.emptyGuardMs`; `undefined` for twice the lease. */
  readonly holdMs: number | undefined
  /** Whether the source knows that an instance was removed on purpose. */
  readonly hasLeft: (instanceId: string) => boolean
  /** The time of the held instances is over. */
  readonly onExpire: () => void
}

/** A lease where the instance names none, in milliseconds: held instances are kept for 30 s then. */
const unknownLeaseMs = 15_000
/** Longest time that instances are held unless the user says otherwise, in milliseconds: some leases last for days. */
const maxHoldMs = 300_000
/** How often their lease held instances are kept. One lease is what a registration needs at most to notice and register again. */
const leases = 2

interface Loss {
  readonly id: string
  readonly at: number
}

/**
 * Doubts a list that collapses: self-preservation as in Eureka, on the side of the client. If more than half of the instances are lost within one
 * lease, net of those that are new, it is more likely that the registry lost them than that they stopped. Those that are lost from then on are
 * held for a bounded time. What was seen draining, or was removed on purpose as far as the source knows, is believed at once.
 */
export class ListGuard {
  readonly #options: ListGuardOptions
  readonly #held = new Map<string, ServiceInstance>()
  #holdMs: number | undefined
  /** The last list of the source. */
  #listed: ServiceSnapshot | undefined
  /** Ids that were lost, or are new, within the last lease. */
  #losses: Loss[] = []
  #arrivals: Loss[] = []
  #leaseMs = unknownLeaseMs
  #about: NonNullable<ServiceSnapshot['held']> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: ListGuardOptions) {
    this.#options = options
    this.#holdMs = options.holdMs
  }

  /** Whether any instance is held. */
  get isHolding(): boolean {
    return this.#held.size > 0
  }

  /** The last list of the source, without those that are held. */
  get listed(): ServiceSnapshot | undefined {
    return this.#listed
  }

  /** Takes over another time; 0 believes every list. */
  configure(holdMs: number | undefined): void {
    if (this.#holdMs === holdMs) return
    this.#holdMs = holdMs
    if (holdMs === 0 && this.isHolding) this.#expire()
  }

  /** Begins with a list that was kept on disk, unless the source gave one. */
  seed(list: ServiceSnapshot): void {
    this.#listed ??= list
  }

  /** Takes over a list, which is sorted by id. @returns what is to be shown */
  accept(list: ServiceSnapshot): ServiceSnapshot {
    const before = this.#listed
    this.#listed = list
    if (this.#holdMs === 0 || !before) return list
    const now = performance.now()
    const { added, removed } = compare(before.instances, list.instances)
    const isQuiet = this.#held.size === 0 && this.#losses.length === 0 && this.#arrivals.length === 0
    if (added.length === 0 && removed.length === 0 && isQuiet) return list
    const present = new Set(list.instances.map(({ id }) => id))
    const isNew = added.filter(({ id }) => !this.#held.has(id) && !this.#wasLost(id))
    const lost = removed.filter((instance) => !this.#leftOnPurpose(instance))
    this.#remember(lost, isNew, now, present)
    for (const [id, instance] of this.#held) if (present.has(id) || this.#leftOnPurpose(instance)) this.#held.delete(id)
    if (!this.#isCollapse(list.instances.length)) this.#held.clear()
    else for (const instance of lost) this.#held.set(instance.id, instance)
    this.#dropReplaced(list.instances)
    return this.#show(lost.length)
  }

  /** The source is unreachable: nothing can be learned about the held instances until it is reachable, so their time stands still. */
  pause(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Ends it. */
  close(): void {
    this.pause()
  }

  #wasLost(id: string): boolean {
    return this.#losses.some((loss) => loss.id === id)
  }

  #leftOnPurpose({ id, health }: ServiceInstance): boolean {
    return health.status === 'draining' || this.#options.hasLeft(id)
  }

  #remember(
    lost: readonly ServiceInstance[],
    isNew: readonly ServiceInstance[],
    now: number,
    present: ReadonlySet<string>,
  ): void {
    for (const { ttlMs } of lost) if (ttlMs !== undefined) this.#leaseMs = ttlMs
    const isRecent = ({ at }: Loss): boolean => now - at < this.#leaseMs
    this.#losses = this.#losses.filter((loss) => (isRecent(loss) || this.#held.has(loss.id)) && !present.has(loss.id))
    this.#arrivals = this.#arrivals.filter((arrival) => isRecent(arrival) && present.has(arrival.id))
    for (const { id } of lost) this.#losses.push({ id, at: now })
    for (const { id } of isNew) this.#arrivals.push({ id, at: now })
  }

  /** Whether more than half of what was listed one lease ago was lost, net of what is new. */
  #isCollapse(length: number): boolean {
    const gone = this.#losses.length
    const before = length - this.#arrivals.length + gone
    return gone - this.#arrivals.length > before / 2
  }

  /** An instance that has another id now, at the same place, is not missed. */
  #dropReplaced(instances: readonly ServiceInstance[]): void {
    if (this.#held.size === 0) return
    const places = new Set(instances.map(placeOf))
    for (const [id, instance] of this.#held) if (places.has(placeOf(instance))) this.#held.delete(id)
  }

  #show(lost: number): ServiceSnapshot {
    const list = this.#listed as ServiceSnapshot
    if (this.#held.size === 0) {
      this.#release()
      return list
    }
    const holdMs = this.#holdMs ?? Math.min(leases * this.#leaseMs, maxHoldMs)
    const before = list.instances.length + this.#held.size
    this.#about = {
      since: this.#about?.since ?? Date.now(),
      until: this.#timer && this.#about ? this.#about.until : Date.now() + holdMs,
      reason:
        this.#about && lost === 0
          ? this.#about.reason
          : `the list lost ${this.#held.size} of ${before} instances within ${this.#leaseMs} ms, and nothing says that they were removed`,
      instanceIds: Object.freeze([...this.#held.keys()].sort()),
    }
    if (!this.#timer) {
      this.#timer = setTimeout(() => this.#expire(), holdMs)
      this.#timer.unref?.()
    }
    const instances = [...list.instances, ...this.#held.values()]
    return Object.freeze({ ...createSnapshot({ ...list, instances }), held: Object.freeze(this.#about) })
  }

  #expire(): void {
    this.#release()
    this.#losses = []
    this.#options.onExpire()
  }

  #release(): void {
    this.pause()
    this.#held.clear()
    this.#about = undefined
  }
}

/** What differs between two lists that are sorted by id. */
function compare(
  before: readonly ServiceInstance[],
  after: readonly ServiceInstance[],
): { readonly added: readonly ServiceInstance[]; readonly removed: readonly ServiceInstance[] } {
  const added: ServiceInstance[] = []
  const removed: ServiceInstance[] = []
  let position = 0
  for (const instance of after) {
    for (let old = before[position]; old && old.id < instance.id; old = before[++position]) removed.push(old)
    if (before[position]?.id === instance.id) position++
    else added.push(instance)
  }
  for (; position < before.length; position++) removed.push(before[position] as ServiceInstance)
  return { added, removed }
}

function placeOf(instance: ServiceInstance): string {
  return endpointKey({ ...instance, id: '' })
}

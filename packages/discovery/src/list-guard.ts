import { createSnapshot, endpointKey, type ServiceInstance, type ServiceSnapshot } from '@sd/core'

/** Options of {@link ListGuard}. */
export interface ListGuardOptions {
  /** See `DiscoveryOptions.emptyGuardMs`; `undefined` means twice the lease. */
  readonly holdMs: number | undefined
  /** Whether the source knows that an instance was removed on purpose. */
  readonly hasLeft: (instanceId: string) => boolean
  /** Called when the held instances expire. */
  readonly onExpire: () => void
}

/** Assumed lease if the instance has none, in milliseconds. Held instances are then kept for 30 s. */
const unknownLeaseMs = 15_000
/** Longest default hold time, in milliseconds. Some leases last for days. */
const maxHoldMs = 300_000
/** Hold time in leases. A registration needs at most one lease to notice the loss and register again. */
const leases = 2

interface Change {
  readonly id: string
  readonly at: number
}

/**
 * Doubts a list that collapses: client-side self-preservation, as in Eureka. If more than half of the instances disappear
 * within one lease, net of new ones, the registry has probably lost them. Instances that disappear from then on are held
 * for a limited time. Removals of instances that were draining, or that the source knows to be deliberate, are believed at
 * once.
 */
export class ListGuard {
  readonly #options: ListGuardOptions
  readonly #held = new Map<string, ServiceInstance>()
  #holdMs: number | undefined
  /** The last list from the source. */
  #listed: ServiceSnapshot | undefined
  /** Instances that disappeared within the last lease. */
  #losses: Change[] = []
  /** Instances that appeared within the last lease, including those that were lost since then. */
  #arrivals: Change[] = []
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

  /** The last list from the source, without held instances. */
  get listed(): ServiceSnapshot | undefined {
    return this.#listed
  }

  /** Applies a new hold time. 0 believes every list. */
  configure(holdMs: number | undefined): void {
    this.#holdMs = holdMs
    if (holdMs === 0 && this.isHolding) this.#expire()
  }

  /** Starts from a list loaded from disk, unless the source has already provided one. */
  seed(list: ServiceSnapshot): void {
    this.#listed ??= list
  }

  /** Takes a new list, sorted by id. @returns the list to show */
  accept(list: ServiceSnapshot): ServiceSnapshot {
    const before = this.#listed
    this.#listed = list
    if (this.#holdMs === 0 || !before) return list
    const now = performance.now()
    const { added, removed } = compare(before.instances, list.instances)
    if (added.length === 0 && removed.length === 0 && !this.isHolding) return list
    const present = new Set(list.instances.map(({ id }) => id))
    const { left = [], lost = [] } = Object.groupBy(removed, (instance) => (this.#isExpectedRemoval(instance) ? 'left' : 'lost'))
    this.#remember({ added, left, lost }, now)
    for (const [id, instance] of this.#held) if (present.has(id) || this.#isExpectedRemoval(instance)) this.#held.delete(id)
    if (!this.#isCollapse(list.instances.length)) this.#held.clear()
    else for (const instance of lost) this.#held.set(instance.id, instance)
    this.#dropReplaced(list.instances)
    return this.#show(lost.length)
  }

  /** Stops the clock of the held instances. While the source is unreachable, nothing can be learned about them. */
  pause(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Stops the timer. */
  close(): void {
    this.pause()
  }

  #isExpectedRemoval({ id, health }: ServiceInstance): boolean {
    return health.status === 'draining' || this.#options.hasLeft(id)
  }

  #remember({ added, left, lost }: Readonly<Record<'added' | 'left' | 'lost', readonly ServiceInstance[]>>, now: number): void {
    for (const { ttlMs } of lost) if (ttlMs !== undefined) this.#leaseMs = ttlMs
    const isRecent = ({ at }: Change): boolean => now - at < this.#leaseMs
    const losses = this.#losses.filter((loss) => isRecent(loss) || this.#held.has(loss.id))
    const wasLost = new Set(losses.map(({ id }) => id))
    const returned = new Set(added.map(({ id }) => id))
    const hasLeft = new Set(left.map(({ id }) => id))
    this.#losses = losses.filter(({ id }) => !returned.has(id))
    this.#arrivals = this.#arrivals.filter((arrival) => isRecent(arrival) && !hasLeft.has(arrival.id))
    for (const { id } of lost) this.#losses.push({ id, at: now })
    for (const { id } of added) if (!wasLost.has(id)) this.#arrivals.push({ id, at: now })
  }

  /** Whether more than half of the instances listed one lease ago have disappeared, net of new ones. */
  #isCollapse(length: number): boolean {
    const gone = this.#losses.length
    const before = length - this.#arrivals.length + gone
    return gone - this.#arrivals.length > before / 2
  }

  /** Drops held instances that are listed again under another id at the same place. */
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
          : `the list lost ${this.#held.size} of ${before} instances within ${this.#leaseMs} ms, and the source reports no deregistration`,
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
    this.#arrivals = []
    this.#options.onExpire()
  }

  #release(): void {
    this.pause()
    this.#held.clear()
    this.#about = undefined
  }
}

/** Compares two lists that are sorted by id. */
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

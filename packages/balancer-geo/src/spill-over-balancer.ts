import type { Balancer, CallPickRequest, Endpoint, EndpointView, HeaderFields, Picker } from '@sd/core'
import { capacityOf, type Grouping, type Preference, type ResolvedSpillOverOptions, splitView } from './spill-over.ts'

/**
 * Creates a balancer that groups endpoints, prefers some groups over others, and spills over as Envoy does between its
 * priority levels.
 */
export function createSpillOverBalancer(
  name: string,
  options: ResolvedSpillOverOptions,
  group: (view: EndpointView) => Grouping,
): Balancer {
  const owner = {}
  return {
    name: `${name}-${options.balancer.name}`,
    createPicker(view, previous) {
      const before = previous instanceof SpillOverPicker && previous.owner === owner ? previous : undefined
      return new SpillOverPicker(owner, view, options, group(view), before)
    },
  }
}

class SpillOverPicker implements Picker {
  /** Identifies the balancer. Another one groups differently. */
  readonly owner: object
  readonly preference: Preference
  /** Inner pickers by group. */
  readonly inner: ReadonlyMap<string, Picker>
  /** Defined only if an inner picker has it. Without it the cluster need not report every request. */
  readonly changed?: (endpoint: Endpoint) => void
  /** Defined only if an inner picker has it. */
  readonly responded?: (endpoint: Endpoint, headers: HeaderFields) => void
  readonly #random: (() => number) | undefined
  readonly #maxActive: number
  readonly #pickers: readonly Picker[]
  /** Share of all traffic that each group can take. */
  readonly #capacities: Float64Array
  /** Share of all traffic that they can take together. Below 1, each group takes more than its capacity, in proportion. */
  readonly #total: number

  constructor(
    owner: object,
    view: EndpointView,
    { balancer, overprovisioning, maxActive, random }: ResolvedSpillOverOptions,
    { nameOf, prefer }: Grouping,
    previous: SpillOverPicker | undefined,
  ) {
    const groups = splitView(view, nameOf)
    this.owner = owner
    this.#random = random
    this.#maxActive = maxActive
    this.preference = prefer(groups, previous?.preference)
    this.#pickers = groups.map((group) => balancer.createPicker(group.view, previous?.inner.get(group.name)))
    this.inner = new Map(groups.map(({ name }, index) => [name, this.#pickers[index] as Picker]))
    this.#capacities = Float64Array.from(groups, (group) => capacityOf(group.view, overprovisioning))
    this.#total = Math.min(
      1,
      this.#capacities.reduce((sum, capacity) => sum + capacity, 0),
    )
    const wantsChanges = this.#pickers.some(({ changed }) => changed)
    const wantsResponses = this.#pickers.some(({ responded }) => responded)
    if (wantsChanges || wantsResponses) {
      const pickers = new Map(
        groups.flatMap((group, index) => group.view.endpoints.map((endpoint) => [endpoint, this.#pickers[index] as Picker])),
      )
      if (wantsResponses) this.responded = (endpoint, headers) => pickers.get(endpoint)?.responded?.(endpoint, headers)
      if (wantsChanges) this.changed = (endpoint) => pickers.get(endpoint)?.changed?.(endpoint)
    }
  }

  pick(request: CallPickRequest): Endpoint | undefined {
    const order = this.preference.order(request)
    const drawn = this.#draw(order)
    const first = this.#pickers[drawn]?.pick(request)
    if (first !== undefined && first.active < this.#maxActive) return first
    return this.#pickElsewhere(order, drawn, request, first)
  }

  /** Draws a group: each gets, in order, as much of the remaining traffic as it can take. */
  #draw(order: Uint32Array): number {
    const preferred = order[0] as number
    if (this.#total === this.#capacities[preferred]) return preferred
    const random = this.#random
    // A direct call of Math.random is inlined; through a variable each result would be allocated.
    let left = (random === undefined ? Math.random() : random()) * this.#total
    for (let position = 0; position < order.length; position++) {
      const index = order[position] as number
      left -= this.#capacities[index] as number
      if (left < 0) return index
    }
    return preferred
  }

  /**
   * Searches the other groups in order for an endpoint that is not busy. Without one, returns `busy` or the first busy
   * endpoint.
   */
  #pickElsewhere(order: Uint32Array, drawn: number, request: CallPickRequest, busy: Endpoint | undefined): Endpoint | undefined {
    let fallback = busy
    for (let position = 0; position < order.length; position++) {
      const index = order[position] as number
      if (index === drawn) continue
      const endpoint = this.#pickers[index]?.pick(request)
      if (endpoint !== undefined && endpoint.active < this.#maxActive) return endpoint
      fallback ??= endpoint
    }
    return fallback
  }
}

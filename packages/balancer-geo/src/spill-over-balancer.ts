import type { Balancer, CallPickRequest, Endpoint, EndpointView, HeaderFields, Picker } from '@sd/core'
import { capacityOf, type Grouping, type Preference, type ResolvedSpillOverOptions, splitView } from './spill-over.ts'

/** A balancer that groups endpoints, prefers some groups over others, and spills over as Envoy does between its priority levels. */
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
  /** Of one balancer only: another one groups differently. */
  readonly owner: object
  readonly preference: Preference
  /** The inner pickers by the name of their group. */
  readonly inner: ReadonlyMap<string, Picker>
  /** Only there where an inner picker has it: without it the cluster need not tell of every request. */
  readonly changed?: (endpoint: Endpoint) => void
  /** Defined only where an inner picker has it. */
  readonly answered?: (endpoint: Endpoint, headers: HeaderFields) => void
  readonly #random: (() => number) | undefined
  readonly #maxActive: number
  readonly #pickers: readonly Picker[]
  /** Which part of all traffic each group can take. */
  readonly #capacities: Float64Array
  /** Which part all of them can take: below 1 each of them takes more than it should, in proportion. */
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
    const wantsAnswers = this.#pickers.some(({ answered }) => answered)
    if (wantsChanges || wantsAnswers) {
      const pickers = new Map(
        groups.flatMap((group, index) => group.view.endpoints.map((endpoint) => [endpoint, this.#pickers[index] as Picker])),
      )
      if (wantsAnswers) this.answered = (endpoint, headers) => pickers.get(endpoint)?.answered?.(endpoint, headers)
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

  /** The group whose turn it is: each gets, in order, as much of what is left as it can take. */
  #draw(order: Uint32Array): number {
    const preferred = order[0] as number
    if (this.#total === this.#capacities[preferred]) return preferred
    const random = this.#random
    // Called by name, Math.random is inlined; through a variable each of its results would be allocated.
    let left = (random === undefined ? Math.random() : random()) * this.#total
    for (let position = 0; position < order.length; position++) {
      const index = order[position] as number
      left -= this.#capacities[index] as number
      if (left < 0) return index
    }
    return preferred
  }

  /** Asks the other groups in order, for somebody who is not busy; if there is none, `busy` or the first one who is. */
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

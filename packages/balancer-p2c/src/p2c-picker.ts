import {
  createAliasTable,
  drawIndex,
  type Endpoint,
  type EndpointView,
  isPickable,
  type Picker,
  type PickRequest,
} from '@sd/core'

/** How many pairs are drawn for two endpoints that can take the request, before it makes do with one, or scans. */
const maxDraws = 4
/** Most picks between two looks at the clock: each look costs about as much as a pick. */
const maxPicksPerLook = 32
/** Picks that took longer than this, in milliseconds, are too slow to share a look at the clock. */
const maxLookMs = 10
/** Stands in for the latency of an endpoint whose first answer is still out, in milliseconds: one request finds out, not a flood. */
const unknownLatencyMs = 1e9

/** From this multiple of its usual latency on, one response says little about an endpoint. */
const unusualFactor = 2
/** How long an endpoint with such a latency may lose, in milliseconds: as long as failure accrual takes one out at first. */
const unusualPatienceMs = 1_000

/** What a picker is built with. */
export interface P2cPickerOptions {
  /** Source of randomness in [0, 1); `Math.random` if absent. */
  readonly random: (() => number) | undefined
  /** See `P2cBalancerOptions.forcePickMs`. */
  readonly forcePickMs: number
  /** The picker before. */
  readonly previous: P2cPicker | undefined
}

/** Draws two and picks the cheaper. */
export class P2cPicker implements Picker {
  readonly #view: EndpointView
  readonly #random: (() => number) | undefined
  readonly #forcePickMs: number
  readonly #table: ReturnType<typeof createAliasTable>
  /** By what an endpoint's active requests count: more where its weight is below the average. */
  readonly #scale: Float64Array
  /** When an endpoint was picked last, by `performance.now()`. */
  readonly #pickedAt: Float64Array
  /** The time as last looked at. In an array because a field's new value would be allocated. */
  readonly #now: Float64Array
  #picksPerLook = 1
  #picksToLook = 0

  constructor(view: EndpointView, { random, forcePickMs, previous }: P2cPickerOptions) {
    const { endpoints, weights } = view
    this.#view = view
    this.#random = random
    this.#forcePickMs = forcePickMs
    this.#table = createAliasTable(weights)
    const average = weights.reduce((sum, weight) => sum + weight, 0) / weights.filter((weight) => weight > 0).length
    this.#scale = weights.map((weight) => average / weight)
    const now = performance.now()
    this.#now = Float64Array.of(now)
    this.#pickedAt = new Float64Array(endpoints.length).fill(now)
    if (previous) this.#takeOver(previous)
  }

  pick(request: PickRequest): Endpoint | undefined {
    const view = this.#view
    const { length } = view.endpoints
    if (length < 2) return this.#scan(0, request)
    this.#picksToLook--
    if (this.#picksToLook <= 0) this.#lookAtClock()
    let found = -1
    let start = 0
    for (let draw = 0; draw < maxDraws; draw++) {
      const position = this.#draw() * length
      const table = this.#table
      const first = table ? drawIndex(table, position) : Math.floor(position)
      // Without weights what is left of the number draws the second: one of the others, each as likely.
      const second = table ? this.#drawOther(table, first) : (first + 1 + Math.floor((position - first) * (length - 1))) % length
      start = first
      if (first !== found && isPickable(view, first, request)) {
        if (found >= 0) return this.#choose(found, first, request)
        found = first
      }
      if (second !== found && isPickable(view, second, request)) {
        if (found >= 0) return this.#choose(found, second, request)
        found = second
      }
    }
    return found >= 0 ? this.#take(found, request) : this.#scan(start, request)
  }

  #choose(first: number, second: number, request: PickRequest): Endpoint | undefined {
    const isFirst = this.#cost(first) <= this.#cost(second)
    const loser = isFirst ? second : first
    const idleMs = (this.#now[0] as number) - (this.#pickedAt[loser] as number)
    if (this.#forcePickMs > 0 && idleMs > this.#patienceWith(loser)) return this.#take(loser, request)
    return this.#take(isFirst ? first : second, request)
  }

  /**
   * How long an endpoint may lose against others. A latency that is more than twice the usual one is a failure, or one slow answer: that is soon looked
   * at again, and later after each failure in a row. One that is known to be slow can wait.
   */
  #patienceWith(index: number): number {
    const { failures, latencyMs, usualMs } = this.#view.endpoints[index] as Endpoint
    if (latencyMs <= unusualFactor * usualMs) return this.#forcePickMs
    return Math.min(this.#forcePickMs, unusualPatienceMs * Math.max(1, failures))
  }

  #cost(index: number): number {
    const { active, latencyMs, isTrial } = this.#view.endpoints[index] as Endpoint
    // It was out for long enough, and one request is to find out whether it has recovered.
    if (isTrial || (latencyMs === 0 && active === 0)) return 0
    return (latencyMs === 0 ? unknownLatencyMs : latencyMs) * (1 + active * (this.#scale[index] as number))
  }

  #take(index: number, { isProbe }: PickRequest): Endpoint | undefined {
    if (isProbe !== true) this.#pickedAt[index] = this.#now[0] as number
    return this.#view.endpoints[index]
  }

  #draw(): number {
    // Called by name, Math.random is inlined; through a field each of its results would be allocated.
    return this.#random === undefined ? Math.random() : this.#random()
  }

  /** Another one by weight; where a weight is so large that it comes again and again, the next in the list. */
  #drawOther(table: NonNullable<ReturnType<typeof createAliasTable>>, first: number): number {
    const { length } = table.alias
    for (let draw = 0; draw < maxDraws; draw++) {
      const index = drawIndex(table, this.#draw() * length)
      if (index !== first) return index
    }
    return (first + 1) % length
  }

  #scan(start: number, request: PickRequest): Endpoint | undefined {
    const { length } = this.#view.endpoints
    for (let step = 0; step < length; step++) {
      const index = (start + step) % length
      if (isPickable(this.#view, index, request)) return this.#take(index, request)
    }
    return undefined
  }

  #lookAtClock(): void {
    const now = performance.now()
    const isQuick = now - (this.#now[0] as number) < maxLookMs
    this.#picksPerLook = isQuick ? Math.min(maxPicksPerLook, this.#picksPerLook * 2) : 1
    this.#picksToLook = this.#picksPerLook
    this.#now[0] = now
  }

  #takeOver(previous: P2cPicker): void {
    const indices = new Map(previous.#view.endpoints.map((endpoint, index) => [endpoint, index]))
    for (const [index, endpoint] of this.#view.endpoints.entries()) {
      const before = indices.get(endpoint)
      if (before !== undefined) this.#pickedAt[index] = previous.#pickedAt[before] as number
    }
  }
}

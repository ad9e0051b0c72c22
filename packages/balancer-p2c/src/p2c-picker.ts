import {
  createAliasTable,
  drawIndex,
  type Endpoint,
  type EndpointView,
  isPickable,
  type Picker,
  type PickRequest,
} from '@sd/core'

/** Number of pairs drawn to find two available endpoints, before the pick uses the only one found or scans the list. */
const maxDraws = 4
/** Maximum number of picks per clock reading. A reading costs about as much as a pick. */
const maxPicksPerLook = 32
/** Picks that are further apart than this, in milliseconds, do not share a clock reading. */
const maxLookMs = 10
/** Assumed latency of an endpoint whose first response is pending, in milliseconds, so that one request measures it, not many. */
const unknownLatencyMs = 1e9

/** From this multiple of the usual latency on, a single response says little about an endpoint. */
const unusualFactor = 2
/** How long an endpoint with such a latency may lose, in milliseconds: the same as the first penalty of failure accrual. */
const unusualPatienceMs = 1_000

/** Options of {@link P2cPicker}. */
export interface P2cPickerOptions {
  /** Source of randomness in [0, 1); `Math.random` if absent. */
  readonly random: (() => number) | undefined
  /** See `P2cBalancerOptions.forcePickMs`. */
  readonly forcePickMs: number
  /** The previous picker. */
  readonly previous: P2cPicker | undefined
}

/** Draws two endpoints and picks the cheaper one. */
export class P2cPicker implements Picker {
  readonly #view: EndpointView
  readonly #random: (() => number) | undefined
  readonly #forcePickMs: number
  readonly #table: ReturnType<typeof createAliasTable>
  /** Factor of an endpoint's active requests: higher if its weight is below the average. */
  readonly #scale: Float64Array
  /** Time of the last pick of each endpoint, by `performance.now()`. */
  readonly #pickedAt: Float64Array
  /** Last clock reading. In an array, because each new value of a field is an allocation. */
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
      // Without weights, the fraction of the number draws the second endpoint: any of the others with the same probability.
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
   * How long an endpoint may lose against others. A latency of more than twice the usual one is a failure or a single slow
   * response. It is tried again soon, and later after each consecutive failure. An endpoint that is known to be slow can
   * wait.
   */
  #patienceWith(index: number): number {
    const { failures, latencyMs, usualMs } = this.#view.endpoints[index] as Endpoint
    if (latencyMs <= unusualFactor * usualMs) return this.#forcePickMs
    return Math.min(this.#forcePickMs, unusualPatienceMs * Math.max(1, failures))
  }

  #cost(index: number): number {
    const { active, latencyMs, isTrial } = this.#view.endpoints[index] as Endpoint
    // It was out for long enough. One request finds out whether it has recovered.
    if (isTrial || (latencyMs === 0 && active === 0)) return 0
    return (latencyMs === 0 ? unknownLatencyMs : latencyMs) * (1 + active * (this.#scale[index] as number))
  }

  #take(index: number, { isProbe }: PickRequest): Endpoint | undefined {
    if (isProbe !== true) this.#pickedAt[index] = this.#now[0] as number
    return this.#view.endpoints[index]
  }

  #draw(): number {
    // A direct call of Math.random is inlined; through a field each result would be allocated.
    return this.#random === undefined ? Math.random() : this.#random()
  }

  /** Draws another endpoint by weight; if one large weight is drawn again and again, takes the next in the list. */
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

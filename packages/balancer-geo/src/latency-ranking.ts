import type { Endpoint } from '@sd/core'
import type { EndpointGroup, Preference } from './spill-over.ts'

/** Interval between rankings, in milliseconds, and between requests to a group without a measurement. */
const rankIntervalMs = 1_000

/** Minimum gain for the first place, in milliseconds. A smaller difference is noise. */
const leastGainMs = 1

/** Options of {@link LatencyRanking}. */
export interface LatencyRankingOptions {
  /** Relative gain that a group needs to take the first place. */
  readonly hysteresis: number
  /** Share of requests that measure the other groups. */
  readonly exploration: number
  /** Source of randomness in [0, 1). */
  readonly random: (() => number) | undefined
}

/** Groups in the order of their measured latency, ranked once a second. */
export class LatencyRanking implements Preference {
  /** Name of the group in the first place. */
  first: string | undefined
  /** Time of the last ranking, by `performance.now()`. */
  rankedAt: number
  readonly #options: LatencyRankingOptions
  readonly #groups: readonly EndpointGroup[]
  readonly #latencies: Float64Array
  readonly #order: Uint32Array
  /** The order with another group in front. */
  readonly #exploring: Uint32Array
  /** Groups from this place on have no measurement. */
  #measured = 0
  /** Number of these that got no request since the last ranking. */
  #untried = 0

  constructor(groups: readonly EndpointGroup[], previous: LatencyRanking | undefined, options: LatencyRankingOptions) {
    this.#options = options
    this.#groups = groups
    this.#latencies = new Float64Array(groups.length)
    this.#order = Uint32Array.from(groups.keys())
    this.#exploring = new Uint32Array(groups.length)
    this.first = previous?.first
    this.rankedAt = previous?.rankedAt ?? Number.NEGATIVE_INFINITY
    this.#rank()
  }

  order(): Uint32Array {
    const now = performance.now()
    if (now - this.rankedAt >= rankIntervalMs) {
      this.rankedAt = now
      this.#rank()
      this.#untried = this.#order.length - this.#measured
    }
    if (this.#untried > 0) return this.#explore(this.#order.length - this.#untried--)
    const { exploration, random } = this.#options
    const draw = random === undefined ? Math.random() : random()
    if (draw >= exploration) return this.#order
    return this.#explore(1 + Math.floor((draw / exploration) * (this.#order.length - 1)))
  }

  /** The order with the group of this place moved to the front. */
  #explore(place: number): Uint32Array {
    if (place >= this.#order.length) return this.#order
    this.#exploring.set(this.#order)
    this.#exploring.copyWithin(1, 0, place)
    this.#exploring[0] = this.#order[place] as number
    return this.#exploring
  }

  #rank(): void {
    for (const [index, { view }] of this.#groups.entries()) this.#latencies[index] = medianLatency(view.endpoints)
    const latencyOf = (index: number): number => this.#latencies[index] as number
    // Unmeasured groups compare as NaN and keep their order.
    this.#order.sort((a, b) => latencyOf(a) - latencyOf(b) || a - b)
    const place = this.#order.findIndex((index) => this.#groups[index]?.name === this.first)
    if (place > 0 && !this.#isClearlyFaster(latencyOf(this.#order[0] as number), latencyOf(this.#order[place] as number))) {
      this.#order.set(this.#explore(place))
    }
    this.first = this.#groups[this.#order[0] as number]?.name
    this.#measured = this.#order.filter((index) => latencyOf(index) < Number.POSITIVE_INFINITY).length
  }

  #isClearlyFaster(latencyMs: number, thanMs: number): boolean {
    return latencyMs <= thanMs * (1 - this.#options.hysteresis) && latencyMs <= thanMs - leastGainMs
  }
}

/** The median, so that a single slow endpoint does not move all traffic; `Infinity` before the first response. */
function medianLatency(endpoints: readonly Endpoint[]): number {
  const latencies = Float64Array.from(endpoints, ({ latencyMs }) => latencyMs)
    .filter((latencyMs) => latencyMs > 0)
    .sort()
  return latencies[(latencies.length - 1) >> 1] ?? Number.POSITIVE_INFINITY
}

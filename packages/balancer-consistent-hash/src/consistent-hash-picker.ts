import { type Endpoint, type EndpointView, type Picker, type PickRequest, scanPickable } from '@sd/core'
import { hashText } from './hash.ts'
import { createHashRing, findPoint, type HashRing } from './hash-ring.ts'
import type { LoadBound } from './load-bound.ts'

/** Minimum number of points that a pick examines before it scans the list. */
const minWalk = 256
/**
 * A walk that is longer than this multiple of the expected length (the largest weight relative to the mean) ends with the
 * best point so far. The length has an exponential distribution: e^-24 is one pick in 26 billion.
 */
const walkMargin = 24

/** Options of {@link ConsistentHashPicker}. */
export interface ConsistentHashPickerOptions {
  /** Returns the key of a request. */
  readonly key: (request: PickRequest) => string | undefined
  /** Source of randomness in [0, 1). */
  readonly random: () => number
  /** The previous ring. */
  readonly ring: HashRing | undefined
  /** Bound of the loads, if configured. */
  readonly bound: LoadBound | undefined
}

/**
 * Picks the endpoint with the nearest point after the key's hash, where a distance is divided by the endpoint's weight.
 * Distances to the next of many random points have an exponential distribution, so each endpoint wins in proportion to its
 * weight. A changed weight changes only the endpoint's own distances: keys move from it or to it, never between others.
 *
 * @see Schindelhauer, Schomaker: Weighted distributed hash tables, 2005 (the linear method)
 */
export class ConsistentHashPicker implements Picker {
  readonly ring: HashRing
  readonly #view: EndpointView
  readonly #key: (request: PickRequest) => string | undefined
  readonly #random: () => number
  readonly #bound: LoadBound | undefined
  /** Factor of the distances of each endpoint: its number of points divided by its weight. */
  readonly #scales: Float64Array
  /** The smallest factor. No point beyond the best distance divided by it can win. */
  readonly #minScale: number
  readonly #equal: boolean
  readonly #maxWalk: number
  /** Defined only where loads are bounded: without it the cluster need not report every request. */
  readonly changed?: (endpoint: Endpoint) => void

  constructor(view: EndpointView, options: ConsistentHashPickerOptions) {
    const { key, random, ring, bound } = options
    this.#view = view
    this.#key = key
    this.#random = random
    this.#bound = bound
    this.ring = createHashRing(view, ring)
    if (bound) this.changed = bound.changed
    const { counts, owners } = this.ring
    this.#scales = view.weights.map((weight, index) => (counts[index] as number) / weight)
    let minScale = Number.POSITIVE_INFINITY
    let maxScale = 0
    let pull = 0
    for (const [index, scale] of this.#scales.entries()) {
      if (counts[index] === 0) continue
      minScale = Math.min(minScale, scale)
      maxScale = Math.max(maxScale, scale)
      pull += (counts[index] as number) / scale
    }
    this.#minScale = minScale
    this.#equal = minScale === maxScale
    const expected = owners.length / (pull * minScale)
    this.#maxWalk = Math.min(owners.length, Math.max(minWalk, Math.ceil(walkMargin * expected)))
  }

  pick(request: PickRequest): Endpoint | undefined {
    const { hashes, owners, endpoints } = this.ring
    const { length } = owners
    if (length === 0) return undefined
    const { attempted } = request
    const key = this.#key(request)
    // An empty key is treated as no key; otherwise all requests with one would go to the same endpoint.
    const hash = key === undefined || key === '' ? Math.floor(this.#random() * 2 ** 32) : hashText(key)
    const first = findPoint(this.ring, hash)
    const scales = this.#scales
    let best: Endpoint | undefined
    let bestDistance = Number.POSITIVE_INFINITY
    let position = first
    for (let walked = 0; walked < this.#maxWalk; walked++) {
      const distance = ((hashes[position] as number) - hash) >>> 0
      if (distance * this.#minScale >= bestDistance) break
      const owner = owners[position] as number
      const weighted = distance * (scales[owner] as number)
      position = position + 1 === length ? 0 : position + 1
      if (weighted >= bestDistance) continue
      const endpoint = endpoints[owner] as Endpoint
      if (!endpoint.available || attempted?.includes(endpoint)) continue
      if (this.#bound !== undefined && !this.#bound.hasRoom(owner)) continue
      // With equal weights the nearest point wins, so the walk can end here.
      if (this.#equal) return endpoint
      best = endpoint
      bestDistance = weighted
    }
    return best ?? scanPickable(this.#view, owners[first] as number, request)
  }
}

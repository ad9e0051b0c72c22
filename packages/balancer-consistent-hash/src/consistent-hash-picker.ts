import { type Endpoint, type EndpointView, type Picker, type PickRequest, scanPickable } from '@sd/core'
import { hashText } from './hash.ts'
import { createHashRing, findPoint, type HashRing } from './hash-ring.ts'
import type { LoadBound } from './load-bound.ts'

/** How far a pick walks along the ring before it scans the list instead. */
const maxWalk = 256

/** What a picker is built with. */
export interface ConsistentHashPickerOptions {
  /** Source of randomness in [0, 1). */
  readonly random: () => number
  /** The ring before. */
  readonly ring: HashRing | undefined
  /** Bounds loads, if they are bounded. */
  readonly bound: LoadBound | undefined
}

/** Picks the owner of the first point at or after the key's hash. */
export class ConsistentHashPicker implements Picker {
  readonly ring: HashRing
  readonly #view: EndpointView
  readonly #random: () => number
  readonly #bound: LoadBound | undefined
  /** Only there where loads are bounded: without it the cluster need not tell of every request. */
  readonly changed?: (endpoint: Endpoint) => void

  constructor(view: EndpointView, options: ConsistentHashPickerOptions) {
    const { random, ring, bound } = options
    this.#view = view
    this.#random = random
    this.#bound = bound
    this.ring = createHashRing(view, ring)
    if (bound) this.changed = bound.changed
  }

  pick(request: PickRequest): Endpoint | undefined {
    const { ring } = this
    const { owners, endpoints } = ring
    const { length } = owners
    if (length === 0) return undefined
    const { hashKey, attempted } = request
    const first = findPoint(ring, hashKey === undefined ? Math.floor(this.#random() * 2 ** 32) : hashText(hashKey))
    const walk = Math.min(length, maxWalk)
    for (let moved = 0, position = first; moved < walk; moved++) {
      const owner = owners[position] as number
      // Who has points has a weight.
      const endpoint = endpoints[owner] as Endpoint
      if (endpoint.available && !attempted?.includes(endpoint) && (this.#bound === undefined || this.#bound.hasRoom(owner)))
        return endpoint
      position = position + 1 === length ? 0 : position + 1
    }
    return scanPickable(this.#view, owners[first] as number, request)
  }
}

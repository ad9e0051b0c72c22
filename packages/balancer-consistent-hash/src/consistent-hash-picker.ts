import { type Endpoint, type EndpointView, isPickable, type Picker, type PickRequest, scanPickable } from '@sd/core'
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
    const { owners } = this.ring
    const { length } = owners
    if (length === 0) return undefined
    const { hashKey } = request
    let position = findPoint(this.ring, hashKey === undefined ? this.#random() * 2 ** 32 : hashText(hashKey))
    const first = owners[position] as number
    const walk = Math.min(length, maxWalk)
    for (let moved = 0; moved < walk; moved++) {
      const owner = owners[position] as number
      if (isPickable(this.#view, owner, request) && (this.#bound?.hasRoom(owner) ?? true)) return this.#view.endpoints[owner]
      position = position + 1 === length ? 0 : position + 1
    }
    return scanPickable(this.#view, first, request)
  }
}

import type { Endpoint, EndpointView, Picker, PickRequest } from '@sd/core'

/**
 * A winner tree: every node has the smallest number of active requests below it, and the total weight of the endpoints with
 * that number. The root has all ties for the minimum, and a walk down draws one of them by weight.
 */
export class LeastActivePicker implements Picker {
  readonly #view: EndpointView
  readonly #random: (() => number) | undefined
  readonly #indices: Map<Endpoint, number>
  /** Number of leaves, a power of two. The leaf of endpoint i is node `leaves + i`; the root is node 1. */
  readonly #leaves: number
  /** Smallest active count below a node; infinite if nothing below can be picked. */
  readonly #least: Float64Array
  /** Total weight of the endpoints below a node that have the smallest count. */
  readonly #weight: Float64Array

  constructor(view: EndpointView, random: (() => number) | undefined) {
    this.#view = view
    this.#random = random
    this.#indices = new Map(view.endpoints.map((endpoint, index) => [endpoint, index]))
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(1, view.endpoints.length)))
    this.#least = new Float64Array(2 * this.#leaves).fill(Number.POSITIVE_INFINITY)
    this.#weight = new Float64Array(2 * this.#leaves)
    for (let index = 0; index < view.endpoints.length; index++) this.#setLeaf(index)
    for (let node = this.#leaves - 1; node >= 1; node--) this.#combine(node)
  }

  pick(request: PickRequest): Endpoint | undefined {
    const { attempted } = request
    if (attempted === undefined || attempted.length === 0) return this.#pickWinner()
    for (const endpoint of attempted) this.#exclude(endpoint)
    const picked = this.#pickWinner()
    for (const endpoint of attempted) this.changed(endpoint)
    return picked
  }

  changed(endpoint: Endpoint): void {
    const index = this.#indices.get(endpoint)
    if (index === undefined) return
    this.#setLeaf(index)
    this.#combineUp(index)
  }

  #pickWinner(): Endpoint | undefined {
    // Without change notifications a leaf can be stale. Refresh it here, at most once per endpoint.
    for (let attempt = 0; attempt <= this.#view.endpoints.length; attempt++) {
      if (this.#least[1] === Number.POSITIVE_INFINITY) return undefined
      const index = this.#descend()
      const endpoint = this.#view.endpoints[index] as Endpoint
      if (endpoint.available && endpoint.active === this.#least[this.#leaves + index]) return endpoint
      this.changed(endpoint)
    }
    return undefined
  }

  #descend(): number {
    const least = this.#least
    const weight = this.#weight
    const target = least[1] as number
    // A direct call of Math.random is inlined; through a field each result would be allocated.
    let remaining = (this.#random === undefined ? Math.random() : this.#random()) * (weight[1] as number)
    let node = 1
    while (node < this.#leaves) {
      const left = 2 * node
      const leftWeight = least[left] === target ? (weight[left] as number) : 0
      if (remaining < leftWeight || least[left + 1] !== target) {
        node = left
      } else {
        remaining -= leftWeight
        node = left + 1
      }
    }
    return node - this.#leaves
  }

  #exclude(endpoint: Endpoint): void {
    const index = this.#indices.get(endpoint)
    if (index === undefined) return
    this.#least[this.#leaves + index] = Number.POSITIVE_INFINITY
    this.#weight[this.#leaves + index] = 0
    this.#combineUp(index)
  }

  #setLeaf(index: number): void {
    const endpoint = this.#view.endpoints[index] as Endpoint
    const weight = this.#view.weights[index] as number
    const pickable = endpoint.available && weight > 0
    this.#least[this.#leaves + index] = pickable ? endpoint.active : Number.POSITIVE_INFINITY
    this.#weight[this.#leaves + index] = pickable ? weight : 0
  }

  #combineUp(index: number): void {
    for (let node = (this.#leaves + index) >> 1; node >= 1; node >>= 1) this.#combine(node)
  }

  #combine(node: number): void {
    const left = 2 * node
    const right = left + 1
    const leftLeast = this.#least[left] as number
    const rightLeast = this.#least[right] as number
    this.#least[node] = Math.min(leftLeast, rightLeast)
    this.#weight[node] =
      (leftLeast <= rightLeast ? (this.#weight[left] as number) : 0) +
      (rightLeast <= leftLeast ? (this.#weight[right] as number) : 0)
  }
}

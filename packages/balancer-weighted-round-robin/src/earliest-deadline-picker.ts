import { type Endpoint, type EndpointView, isPickable, type Picker, type PickRequest, scanPickable } from '@sd/core'

/** Number of unavailable endpoints that lose their turn before a pick scans the list. */
const skips = 16

/**
 * Earliest deadline first: an endpoint of weight w is due every 1/w units of virtual time, and the endpoint that is due
 * first is picked. For any two endpoints, the numbers of picks c satisfy |cᵢ/wᵢ − cⱼ/wⱼ| ≤ 1/wᵢ + 1/wⱼ at all times.
 *
 * @see Stride scheduling, Waldspurger and Weihl, 1995; Envoy's EDF scheduler
 */
export class EarliestDeadlinePicker implements Picker {
  readonly #view: EndpointView
  /** Next deadline of each endpoint, by index. */
  readonly #deadlines: Float64Array
  /** Binary heap of the indices with positive weight; the earliest deadline is on top. */
  readonly #heap: Uint32Array
  /** Virtual time: the last deadline that was met. In an array, because each write of a fraction to a field is an allocation. */
  readonly #now = new Float64Array(1)

  constructor(view: EndpointView, random: () => number, previous: EarliestDeadlinePicker | undefined) {
    this.#view = view
    const { weights } = view
    const carried = previous?.remainingShares()
    this.#deadlines = weights.map((weight, index) => (carried?.get(view.endpoints[index] as Endpoint) ?? random()) / weight)
    this.#heap = Uint32Array.from([...weights.keys()].filter((index) => (weights[index] as number) > 0))
    for (let position = (this.#heap.length >> 1) - 1; position >= 0; position--) this.#siftDown(position)
  }

  pick(request: PickRequest): Endpoint | undefined {
    const heap = this.#heap
    if (heap.length === 0) return undefined
    const turns = Math.min(heap.length, skips)
    for (let turn = 0; turn < turns; turn++) {
      const index = heap[0] as number
      const deadline = this.#deadlines[index] as number
      this.#now[0] = deadline
      this.#deadlines[index] = deadline + 1 / (this.#view.weights[index] as number)
      this.#siftDown(0)
      if (isPickable(this.#view, index, request)) return this.#view.endpoints[index]
    }
    return scanPickable(this.#view, heap[0] as number, request)
  }

  /**
   * Share of its period that each endpoint still has to wait. It does not depend on the weight, so that a new weight
   * continues smoothly.
   */
  remainingShares(): Map<Endpoint, number> {
    const { endpoints, weights } = this.#view
    const shares = new Map<Endpoint, number>()
    for (const index of this.#heap) {
      const waits = (this.#deadlines[index] as number) - (this.#now[0] as number)
      shares.set(endpoints[index] as Endpoint, waits * (weights[index] as number))
    }
    return shares
  }

  #siftDown(start: number): void {
    const heap = this.#heap
    const deadlines = this.#deadlines
    const { length } = heap
    const moving = heap[start] as number
    const deadline = deadlines[moving] as number
    let position = start
    for (;;) {
      let child = 2 * position + 1
      if (child >= length) break
      const right = child + 1
      if (right < length && (deadlines[heap[right] as number] as number) < (deadlines[heap[child] as number] as number))
        child = right
      if ((deadlines[heap[child] as number] as number) >= deadline) break
      heap[position] = heap[child] as number
      position = child
    }
    heap[position] = moving
  }
}

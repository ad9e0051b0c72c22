/** Limits of a {@link BoundedMap}. */
export interface BoundedMapLimits<Key, Value> {
  /** Most entries; the one that was not used for longest leaves first. */
  readonly maxEntries: number
  /** Largest sum of weights. @default no limit */
  readonly maxWeight?: number
  /** What an entry weighs, such as its bytes. @default 0 */
  readonly weigh?: (key: Key, value: Value) => number
  /** An entry that was not used for this time is dropped, in milliseconds. @default no limit */
  readonly idleMs?: number
}

interface Entry<Value> {
  readonly value: Value
  readonly weight: number
  usedAt: number
}

/**
 * A map for what is kept per name or key, which may come from outside: it has most entries, and drops what is not used. It has no timer: what is idle leaves
 * when something is asked for or added.
 */
export class BoundedMap<Key, Value> {
  readonly #limits: BoundedMapLimits<Key, Value>
  /** The one used last is at the end. */
  readonly #entries = new Map<Key, Entry<Value>>()
  #weight = 0
  /** The entry at the end: what is used again and again need not be moved. */
  #last: Entry<Value> | undefined

  constructor(limits: BoundedMapLimits<Key, Value>) {
    this.#limits = limits
  }

  /** Number of entries, idle ones that are not yet dropped included. */
  get size(): number {
    return this.#entries.size
  }

  /** The value of a key, which is used by that. @param now the time by `performance.now()`, where it is known */
  get(key: Key, now: number = performance.now()): Value | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    if (this.#isIdle(entry, now)) {
      this.delete(key)
      return undefined
    }
    entry.usedAt = now
    if (entry !== this.#last) {
      this.#entries.delete(key)
      this.#entries.set(key, entry)
      this.#last = entry
    }
    return entry.value
  }

  /** Adds or replaces a value. What is heavier than all may be together is not kept. */
  set(key: Key, value: Value): void {
    this.delete(key)
    const { maxEntries, maxWeight = Number.POSITIVE_INFINITY, weigh } = this.#limits
    const now = performance.now()
    const weight = weigh?.(key, value) ?? 0
    if (weight > maxWeight) return
    this.#last = { value, weight, usedAt: now }
    this.#entries.set(key, this.#last)
    this.#weight += weight
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= maxEntries && this.#weight <= maxWeight && !this.#isIdle(entry, now)) return
      this.delete(oldest)
    }
  }

  /** Removes a key. @returns whether there was one */
  delete(key: Key): boolean {
    const entry = this.#entries.get(key)
    if (!entry) return false
    this.#weight -= entry.weight
    if (entry === this.#last) this.#last = undefined
    return this.#entries.delete(key)
  }

  /** Removes everything. */
  clear(): void {
    this.#entries.clear()
    this.#last = undefined
    this.#weight = 0
  }

  #isIdle({ usedAt }: Entry<Value>, now: number): boolean {
    return now - usedAt > (this.#limits.idleMs ?? Number.POSITIVE_INFINITY)
  }
}

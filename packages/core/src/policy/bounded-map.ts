/** Limits of a {@link BoundedMap}. */
export interface BoundedMapLimits<Key, Value> {
  /** Maximum number of entries. The least recently used entry is evicted first. */
  readonly maxEntries: number
  /** Maximum sum of weights. @default no limit */
  readonly maxWeight?: number
  /** Returns the weight of an entry, such as its size in bytes. @default 0 */
  readonly weigh?: (key: Key, value: Value) => number
  /** Time after which an unused entry is evicted, in milliseconds. @default no limit */
  readonly idleMs?: number
}

interface Entry<Value> {
  readonly value: Value
  readonly weight: number
  usedAt: number
}

/**
 * A map for state per name or key when keys come from outside. It has a maximum size and evicts unused entries. It has no
 * timer: idle entries are evicted by `get` and `set`.
 */
export class BoundedMap<Key, Value> {
  readonly #limits: BoundedMapLimits<Key, Value>
  /** The most recently used entry is last. */
  readonly #entries = new Map<Key, Entry<Value>>()
  #weight = 0
  /** The last entry: an entry used again and again need not be moved. */
  #last: Entry<Value> | undefined

  constructor(limits: BoundedMapLimits<Key, Value>) {
    this.#limits = limits
  }

  /** Number of entries, including idle ones that are not yet evicted. */
  get size(): number {
    return this.#entries.size
  }

  /** Returns the value of a key and marks it as used. @param now the time by `performance.now()`, if known */
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

  /** Adds or replaces a value. A value heavier than `maxWeight` is not stored. */
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

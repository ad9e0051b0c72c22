/** An item that can be in one {@link LinkedList} at a time. */
export interface Linked<T> {
  /** Owned by the list. */
  previous: T | undefined
  /** Owned by the list. */
  next: T | undefined
}

/**
 * Items in progress, such as calls, added and removed with every request. A `Set` rebuilds its table from time to time;
 * the old table keeps references to the new one, and both to their former items. As soon as a table is in the old
 * generation, minor garbage collections keep all later tables, and every call with them.
 */
export class LinkedList<T extends Linked<T>> {
  #size = 0
  #first: T | undefined
  #last: T | undefined

  /** Number of items. */
  get size(): number {
    return this.#size
  }

  /** The oldest item. */
  get first(): T | undefined {
    return this.#first
  }

  /** The newest item. */
  get last(): T | undefined {
    return this.#last
  }

  /** Adds an item that is not in a list. */
  add(item: T): void {
    item.previous = this.#last
    if (this.#last) this.#last.next = item
    else this.#first = item
    this.#last = item
    this.#size++
  }

  /** Removes an item, if it is in the list. */
  delete(item: T): void {
    const { previous, next } = item
    if (next) next.previous = previous
    else if (this.#last === item) this.#last = previous
    else return
    if (previous) previous.next = next
    else this.#first = next
    item.previous = undefined
    item.next = undefined
    this.#size--
  }

  /** All items, the oldest first. */
  toArray(): readonly T[] {
    const items: T[] = []
    for (let item = this.#last; item; item = item.previous) items.push(item)
    return items.reverse()
  }
}

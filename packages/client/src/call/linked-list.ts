/** What can be in one {@link LinkedList} at a time. */
export interface Linked<T> {
  /** The list's own. */
  previous: T | undefined
  /** The list's own. */
  next: T | undefined
}

/**
 * What is under way, such as calls: added and removed with every request. Not a `Set`, whose table is made anew now and then; the one before goes on
 * referring to it, and both to what was in them. As soon as one of them is old, collections of young objects keep all later ones, and every call
 * with them.
 */
export class LinkedList<T extends Linked<T>> {
  #size = 0
  #first: T | undefined
  #last: T | undefined

  /** How many are in it. */
  get size(): number {
    return this.#size
  }

  /** The one that was added before the others. */
  get first(): T | undefined {
    return this.#first
  }

  /** The one that was added last. */
  get last(): T | undefined {
    return this.#last
  }

  /** Adds what is in no list. */
  add(item: T): void {
    item.previous = this.#last
    if (this.#last) this.#last.next = item
    else this.#first = item
    this.#last = item
    this.#size++
  }

  /** Removes it, if it is there. */
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

  /** All of them, the oldest first. */
  toArray(): readonly T[] {
    const items: T[] = []
    for (let item = this.#last; item; item = item.previous) items.push(item)
    return items.reverse()
  }
}

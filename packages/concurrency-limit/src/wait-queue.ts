/** A place in a {@link WaitQueue}. */
export interface Place<T> {
  /** Who waits there. */
  readonly value: T
  /** Leaves the queue; later calls do nothing. */
  leave(): void
}

/** First in, first out, and anybody may leave from the middle in constant time. */
export interface WaitQueue<T> {
  /** How many wait. */
  readonly length: number
  /** Takes the last place. */
  join(value: T): Place<T>
  /** Who has waited longest; stays in the queue. */
  first(): T | undefined
  /** Who came last; stays in the queue. */
  last(): T | undefined
}

interface Node<T> extends Place<T> {
  before: Node<T> | undefined
  after: Node<T> | undefined
}

/** Makes an empty queue: a doubly linked list, because a slow service sees many who give up in the middle. */
export function createWaitQueue<T>(): WaitQueue<T> {
  let head: Node<T> | undefined
  let tail: Node<T> | undefined
  let length = 0

  function remove(node: Node<T>): void {
    if (node.before) node.before.after = node.after
    else head = node.after
    if (node.after) node.after.before = node.before
    else tail = node.before
    length--
  }

  return {
    get length() {
      return length
    },
    join(value) {
      let present = true
      const node: Node<T> = {
        value,
        before: tail,
        after: undefined,
        leave() {
          if (present) remove(node)
          present = false
        },
      }
      if (tail) tail.after = node
      else head = node
      tail = node
      length++
      return node
    },
    first: () => head?.value,
    last: () => tail?.value,
  }
}

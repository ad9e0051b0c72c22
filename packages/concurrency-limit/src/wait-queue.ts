/** A place in a {@link WaitQueue}. */
export interface Place<T> {
  /** The waiting item. */
  readonly value: T
  /** Leaves the queue. Later calls have no effect. */
  leave(): void
}

/** A first-in, first-out queue whose items can leave from the middle in constant time. */
export interface WaitQueue<T> {
  /** Number of waiting items. */
  readonly length: number
  /** Adds an item at the end. */
  join(value: T): Place<T>
  /** The item that has waited longest; it stays in the queue. */
  first(): T | undefined
  /** The newest item; it stays in the queue. */
  last(): T | undefined
}

interface Node<T> extends Place<T> {
  before: Node<T> | undefined
  after: Node<T> | undefined
}

/** Creates an empty queue: a doubly linked list, because with a slow service many items leave from the middle. */
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

import { judgeLimit } from '@sd/core'
import { type Linked, LinkedList } from './linked-list.ts'

/** An item that is due at a time. */
export interface Due extends Linked<Due> {
  /** By `performance.now()`. Must not change while the item is in a queue. */
  readonly dueAt: number
  /** The time has come. The item is no longer in a queue. */
  onDue(): void
}

/** Timers drop fractions, and may fire a millisecond early. */
const earlyMs = 1

/**
 * Items in the order of their due times, with one timer for all. Calls of one service have the same time limit, so
 * nearly all of them fit, and most end before theirs. A Node timer for each call would cost more than everything else
 * that is done for its deadline.
 */
export class DueQueue {
  readonly #items = new LinkedList<Due>()
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Adds an item, unless an item with a later due time was added before. @returns whether it was added */
  add(item: Due): boolean {
    const { last } = this.#items
    if (last && item.dueAt < last.dueAt) return false
    this.#items.add(item)
    // A timer that is already set fires early enough.
    if (!this.#timer) this.#setTimer(item.dueAt)
    return true
  }

  /** Removes an item. */
  delete(item: Due): void {
    this.#items.delete(item)
    if (this.#items.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #setTimer(dueAt: number): void {
    this.#timer = setTimeout(onDueTimer, delayUntil(dueAt), this)
  }

  /** The timer fired. */
  onTimer(): void {
    const now = performance.now()
    const due: Due[] = []
    let { first } = this.#items
    for (; first && first.dueAt <= now + earlyMs; first = this.#items.first) {
      this.#items.delete(first)
      due.push(first)
    }
    this.#timer = undefined
    if (first) this.#setTimer(first.dueAt)
    for (const item of due) judgeLimit(item.dueAt, now, () => item.onDue())
  }
}

function onDueTimer(queue: DueQueue): void {
  queue.onTimer()
}

/** The longest delay of a timer, in milliseconds. */
const longestTimerMs = 2_147_483_647

/** Delay of a timer, in milliseconds, capped at the longest possible delay; the timer then fires early. */
export function delayUntil(dueAt: number): number {
  // Node warns about a negative delay.
  return Math.max(1, Math.min(dueAt - performance.now(), longestTimerMs))
}

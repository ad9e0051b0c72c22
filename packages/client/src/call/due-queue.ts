import { judgeLimit } from '@sd/core'
import { type Linked, LinkedList } from './linked-list.ts'

/** What is due at a time. */
export interface Due extends Linked<Due> {
  /** By `performance.now()`. Does not change while it is in a queue. */
  readonly dueAt: number
  /** The time has come. It is in no queue then. */
  onDue(): void
}

/** Timers cut fractions off, and may be a millisecond early. */
const earlyMs = 1

/**
 * What is due in the order in which it was added, with one timer for all of it. Calls of one service have one time limit, so that nearly all of them
 * fit, and most end before theirs: a timer of Node for each call costs more than all else that is done for its deadline.
 */
export class DueQueue {
  readonly #items = new LinkedList<Due>()
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Adds it, unless something that is due later was added before. @returns whether it was added */
  add(item: Due): boolean {
    const { last } = this.#items
    if (last && item.dueAt < last.dueAt) return false
    this.#items.add(item)
    // A timer that is set is early enough.
    if (!this.#timer) this.#setTimer(item.dueAt)
    return true
  }

  /** Takes it out. */
  delete(item: Due): void {
    this.#items.delete(item)
    if (this.#items.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #setTimer(dueAt: number): void {
    this.#timer = setTimeout(onDueTimer, delayUntil(dueAt), this)
  }

  /** Its timer is over. */
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

/** For how long to set a timer, in milliseconds. Where that is longer than timers can be, it is early. */
export function delayUntil(dueAt: number): number {
  // Node warns of a negative delay.
  return Math.max(1, Math.min(dueAt - performance.now(), longestTimerMs))
}

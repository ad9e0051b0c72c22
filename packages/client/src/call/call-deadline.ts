import { judgeLimit } from '@sd/core'
import type { ForwardParts } from '../forward/forward-parts.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import type { LimitedExchange } from './call-frame.ts'
import { type Due, type DueQueue, delayUntil } from './due-queue.ts'

/** The call that has the deadline. */
export interface TimedCall {
  readonly entry: ServiceEntry
  readonly forward: ForwardParts | undefined
  /** Start, by `performance.now()`. */
  readonly startedAt: number
  /** Deadline, by `performance.now()`; `Infinity` for none. */
  readonly deadlineAt: number
  /** The deadline has passed. */
  onDeadline(): void
}

/**
 * Watches the deadline of one call, and with it the limit of an attempt: usually in a queue of the service, which
 * shares one timer among many calls, otherwise with its own timer.
 */
export class CallDeadline implements Due {
  previous: Due | undefined
  next: Due | undefined
  /** Time of the next check, by `performance.now()`. */
  dueAt = 0
  readonly #call: TimedCall
  /** The queue that contains it. */
  #queue: DueQueue | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** The exchange whose limit is watched too. */
  #limited: LimitedExchange | undefined
  #limitAt = Number.POSITIVE_INFINITY

  constructor(call: TimedCall) {
    this.#call = call
  }

  /** Starts watching. */
  start(): void {
    const { entry, forward, startedAt, deadlineAt } = this.#call
    // The first attempt most probably has this limit: this saves setting it twice.
    const limitAt = forward ? Number.POSITIVE_INFINITY : startedAt + entry.due.lastLimitMs
    if (deadlineAt <= limitAt) this.#check(startedAt)
    else this.#lookAt(limitAt, entry.due.limits)
  }

  /** Watches the limit of an exchange too. @returns false if it can't now */
  watchLimit(exchange: LimitedExchange, limitAt: number): boolean {
    const { entry, forward } = this.#call
    // The deadline of a forwarded call moves, and may be removed.
    if (forward || this.#limited?.isWaiting || !this.#isSet) return false
    this.#limited = exchange
    this.#limitAt = limitAt
    entry.due.lastLimitMs = limitAt - exchange.startedAt
    // Until here the current time of the next check is early enough.
    if (limitAt < this.dueAt) {
      this.stop()
      this.#lookAt(limitAt, entry.due.limits)
    }
    return true
  }

  /** The deadline was moved. */
  move(isEarlier: boolean): void {
    const isInEffect = this.#call.deadlineAt !== Number.POSITIVE_INFINITY
    if (isInEffect && !isEarlier && this.#isSet) return
    this.stop()
    if (isInEffect) this.#check(performance.now())
  }

  /** Stops watching, until the deadline is moved. */
  stop(): void {
    this.#queue?.delete(this)
    this.#queue = undefined
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = undefined
  }

  onDue(): void {
    // It may have been stopped since the timer fired.
    if (!this.#isSet) return
    this.stop()
    // Timers drop fractions, and may fire a millisecond early.
    this.#check(performance.now() + 1)
  }

  get #isSet(): boolean {
    return this.#queue !== undefined || this.#timer !== undefined
  }

  /**
   * Checks the deadline and the limit of an attempt, and sets the time of the next check. A far deadline takes several
   * checks.
   */
  #check(now: number): void {
    const { deadlineAt, entry } = this.#call
    if (deadlineAt <= now) {
      this.#call.onDeadline()
      return
    }
    const limited = this.#limited?.isWaiting ? this.#limited : undefined
    const isOver = limited !== undefined && this.#limitAt <= now
    if (!limited || isOver) this.#limited = undefined
    if (limited && !isOver && this.#limitAt < deadlineAt) this.#lookAt(this.#limitAt, entry.due.limits)
    else this.#lookAt(deadlineAt, entry.due.deadlines)
    if (isOver) limited.onLimit()
  }

  #lookAt(at: number, queue: DueQueue): void {
    this.dueAt = at
    if (queue.add(this)) this.#queue = queue
    else this.#timer = setTimeout(onTimer, delayUntil(at), this, at)
  }
}

function onTimer(deadline: CallDeadline, dueAt: number): void {
  judgeLimit(dueAt, performance.now(), () => deadline.onDue())
}

import { judgeLimit } from '@sd/core'
import type { ForwardParts } from '../forward/forward-parts.ts'
import type { ServiceEntry } from '../services/service-entry.ts'
import type { LimitedExchange } from './call-frame.ts'
import { type Due, type DueQueue, delayUntil } from './due-queue.ts'

/** The call that a deadline is of. */
export interface TimedCall {
  readonly entry: ServiceEntry
  readonly forward: ForwardParts | undefined
  /** When it began, by `performance.now()`. */
  readonly startedAt: number
  /** When it must have ended, by `performance.now()`; `Infinity` for never. */
  readonly deadlineAt: number
  /** The deadline is over. */
  onDeadline(): void
}

/**
 * Watches the deadline of one call, and the limit of an attempt with it: mostly in a queue of the service, whose timer is that of many calls,
 * else with a timer of its own.
 */
export class CallDeadline implements Due {
  previous: Due | undefined
  next: Due | undefined
  /** When it looks next, by `performance.now()`. */
  dueAt = 0
  readonly #call: TimedCall
  /** The queue that it is in. */
  #queue: DueQueue | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Has a limit that is watched too. */
  #limited: LimitedExchange | undefined
  #limitAt = Number.POSITIVE_INFINITY

  constructor(call: TimedCall) {
    this.#call = call
  }

  /** Begins to watch. */
  start(): void {
    const { entry, forward, startedAt, deadlineAt } = this.#call
    // The first attempt most probably has this limit: it need not be set twice.
    const limitAt = forward ? Number.POSITIVE_INFINITY : startedAt + entry.due.lastLimitMs
    if (deadlineAt <= limitAt) this.#check(startedAt)
    else this.#lookAt(limitAt, entry.due.limits)
  }

  /** Takes in the limit of an exchange. @returns false if it takes none now */
  watchLimit(exchange: LimitedExchange, limitAt: number): boolean {
    const { entry, forward } = this.#call
    // The deadline of a forwarded call moves, and may end.
    if (forward || this.#limited?.isWaiting || !this.#isSet) return false
    this.#limited = exchange
    this.#limitAt = limitAt
    entry.due.lastLimitMs = limitAt - exchange.startedAt
    // Up to here it is early enough as it is, and looks again.
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

  /** Watches nothing more, until it is moved. */
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
    // Timers cut fractions off, and may be a millisecond early.
    this.#check(performance.now() + 1)
  }

  get #isSet(): boolean {
    return this.#queue !== undefined || this.#timer !== undefined
  }

  /** Looks at the deadline, and at the limit of an attempt, and decides when to look next. Far deadlines take several looks. */
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

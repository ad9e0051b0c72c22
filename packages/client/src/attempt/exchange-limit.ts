import { judgeLimit } from '@sd/core'
import type { LimitedExchange } from '../call/call-frame.ts'
import { type Due, type DueQueue, delayUntil } from '../call/due-queue.ts'

/** The limit of one exchange if its call does not watch it: in the queue of its service, or with its own timer. */
export class ExchangeLimit implements Due {
  previous: Due | undefined
  next: Due | undefined
  readonly dueAt: number
  readonly #exchange: LimitedExchange
  /** The queue that contains it. */
  #queue: DueQueue | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param dueAt end of the limit, by `performance.now()` */
  constructor(exchange: LimitedExchange, dueAt: number, queue: DueQueue) {
    this.#exchange = exchange
    this.dueAt = dueAt
    if (queue.add(this)) this.#queue = queue
    else this.#timer = setTimeout(onLimit, delayUntil(dueAt), this)
  }

  /** Removes the limit. */
  stop(): void {
    this.#queue?.delete(this)
    this.#queue = undefined
    clearTimeout(this.#timer)
  }

  onDue(): void {
    this.#queue = undefined
    if (this.#exchange.isWaiting) this.#exchange.onLimit()
  }
}

function onLimit(limit: ExchangeLimit): void {
  judgeLimit(limit.dueAt, performance.now(), () => limit.onDue())
}

import {
  abortError,
  type CallPriority,
  closedError,
  followLoop,
  type LimitRequest,
  type Outcome,
  type Permit,
  priorityShares,
  readStandstillMs,
  SdError,
} from '@sd/core'
import { type Waiter, waitForPlace } from './wait-for-place.ts'
import { createWaitQueue, type WaitQueue } from './wait-queue.ts'

/** Options of `acquire` and `execute` of a limit with a queue. */
export interface LimitAcquireOptions extends LimitRequest {
  /** Ends the wait. It does not end work that has started. */
  readonly signal?: AbortSignal | undefined
}

/** Current number of places and size of the queue. */
export interface PlacesSize {
  /** Maximum number of calls in progress. */
  readonly max: number
  /** Maximum number of waiting calls. */
  readonly maxQueued: number
  /** Longest wait, in milliseconds. */
  readonly queueTimeoutMs: number
}

/** Options of {@link createPlaces}. */
export interface PlacesInit {
  /** Name of the limit, for errors. */
  readonly name: string
  /** The current size. Read each time, so that it may change. */
  readonly size: PlacesSize
  /** Whether new calls wait only for a tenth of the timeout after a wait has timed out, until the queue has been empty. */
  readonly shortensWaits: boolean
  /**
   * Called when work has ended, before its place is free, with its start, its outcome, and the value of
   * {@link readStandstillMs} at its start.
   *
   * @returns the current time, by `performance.now()`
   */
  readonly onSettle?: (startedAt: number, outcome: Outcome, standstillMs: number) => number
}

/** Places for work, and a queue of calls that wait for one. */
export interface Places {
  /** Calls in progress. */
  readonly active: number
  /** Calls waiting. */
  readonly waiting: number
  /** Whether the places were closed. */
  readonly closed: boolean
  /** Counters since creation. */
  readonly counts: { readonly admitted: number; readonly rejected: number; readonly timedOut: number; readonly aborted: number }
  /** Returns a permit, or `undefined` if there is no free place or after close. @param now passed to `onSettle` as the start */
  tryAcquire(request: LimitRequest, now: number): Permit | undefined
  /**
   * Returns a permit at once, or the promise of one, which rejects with `SD_REJECTED`, `SD_ABORTED` or `SD_CLOSED`. Does
   * not throw.
   */
  acquire(request: LimitAcquireOptions, now: number): Permit | Promise<Permit>
  /** Grants free places to waiting calls and refuses excess ones. Call it after the size has changed. */
  resized(now: number): void
  /** Refuses all calls from now on, including waiting ones. */
  close(): void
}

/** Share of the timeout for new calls after a wait has timed out. */
const shortShare = 0.1

/**
 * Creates places. No call overtakes a waiting call of the same priority. `critical` calls, and calls without a priority,
 * are served before `default` ones, which never take reserved places. Time for which this process is blocked is not part of
 * a wait. Before a call is refused, everything that arrived during that time is read, because it may free places.
 */
export function createPlaces(init: PlacesInit): Places {
  return new QueuedPlaces(init)
}

class QueuedPlaces implements Places {
  readonly counts = { admitted: 0, rejected: 0, timedOut: 0, aborted: 0 }
  readonly #init: PlacesInit
  /** Waiting calls that may use every place. */
  readonly #preferred = createWaitQueue<Waiter>()
  /** Waiting calls that may use only a part of the places. */
  readonly #ordinary = createWaitQueue<Waiter>()
  #active = 0
  #closed = false
  /** Whether a wait has timed out since the queue was empty: that is overload, not a burst. */
  #overloaded = false
  readonly #work: { readonly isBusy: boolean }

  constructor(init: PlacesInit) {
    this.#init = init
    const isBusy = (): boolean => this.#active > 0
    this.#work = {
      get isBusy() {
        return isBusy()
      },
    }
  }

  #wait(queue: WaitQueue<Waiter>, signal: AbortSignal | undefined): Promise<Permit> {
    const { name } = this.#init
    const timeoutMs = this.#timeoutOfNewcomer()
    return waitForPlace({
      queue,
      signal,
      timeoutMs,
      what: name,
      onTimeout: () => {
        this.counts.timedOut++
        this.#overloaded = true
      },
      onAbort: () => {
        this.counts.aborted++
      },
    })
  }

  #admit(startedAt: number): Permit {
    const { onSettle } = this.#init
    this.#active++
    this.counts.admitted++
    if (this.#active === 1) followLoop(this.#work)
    const standstillMs = onSettle ? readStandstillMs(startedAt) : 0
    let settled = false
    return {
      settle: (outcome) => {
        if (settled) return
        settled = true
        const now = onSettle ? onSettle(startedAt, outcome, standstillMs) : 0
        this.#active--
        this.#admitWaiting(now)
      },
    }
  }

  /** Number of places for a priority, at least one. */
  #placesFor(priority: CallPriority | undefined): number {
    const { size } = this.#init
    return priority ? Math.max(1, Math.floor(size.max * priorityShares[priority])) : size.max
  }

  #countWaiting(): number {
    return this.#preferred.length + this.#ordinary.length
  }

  #admitWaiting(now: number): void {
    const { size } = this.#init
    for (let waiter = this.#preferred.first(); waiter && this.#active < size.max; waiter = this.#preferred.first())
      waiter.admit(this.#admit(now))
    if (this.#ordinary.length === 0) return
    const places = this.#placesFor('default')
    for (let waiter = this.#ordinary.first(); waiter && this.#active < places; waiter = this.#ordinary.first())
      waiter.admit(this.#admit(now))
  }

  #fullError(): SdError {
    const { name, size } = this.#init
    this.counts.rejected++
    return new SdError('SD_REJECTED', `${name} is full: ${this.#active} in progress, queue limit ${size.maxQueued}`)
  }

  /** Longest wait of a call that joins the queue now. */
  #timeoutOfNewcomer(): number {
    const { size, shortensWaits } = this.#init
    if (this.#countWaiting() === 0) this.#overloaded = false
    return shortensWaits && this.#overloaded ? Math.max(1, size.queueTimeoutMs * shortShare) : size.queueTimeoutMs
  }

  /** Whether another call may wait. A call of lower priority takes no place in the queue from one of higher priority. */
  #hasRoom(priority: CallPriority | undefined): boolean {
    const { size } = this.#init
    if (priority === 'batch' || size.maxQueued === 0) return false
    if (this.#countWaiting() < size.maxQueued) return true
    if (priority === 'default') return false
    const last = this.#ordinary.last()
    last?.refuse(this.#fullError())
    return last !== undefined
  }

  get active(): number {
    return this.#active
  }

  get waiting(): number {
    return this.#countWaiting()
  }

  get closed(): boolean {
    return this.#closed
  }

  tryAcquire({ priority }: LimitRequest, now: number): Permit | undefined {
    if (!this.#closed && this.#active < this.#placesFor(priority)) return this.#admit(now)
    this.counts.rejected++
    return undefined
  }

  acquire({ signal, priority }: LimitAcquireOptions, now: number): Permit | Promise<Permit> {
    const { name } = this.#init
    if (this.#closed) return Promise.reject(closedError(name))
    if (signal?.aborted) return Promise.reject(abortError(signal, `waiting for ${name}`))
    if (this.#active < this.#placesFor(priority)) return this.#admit(now)
    if (!this.#hasRoom(priority)) return Promise.reject(this.#fullError())
    return this.#wait(priority === 'default' ? this.#ordinary : this.#preferred, signal)
  }

  resized(now: number): void {
    const { size } = this.#init
    if (this.#countWaiting() === 0) return
    this.#admitWaiting(now)
    while (this.#countWaiting() > size.maxQueued) (this.#ordinary.last() ?? this.#preferred.last())?.refuse(this.#fullError())
  }

  close(): void {
    const { name } = this.#init
    this.#closed = true
    for (const queue of [this.#preferred, this.#ordinary]) {
      for (let waiter = queue.first(); waiter; waiter = queue.first()) waiter.refuse(closedError(name))
    }
  }
}

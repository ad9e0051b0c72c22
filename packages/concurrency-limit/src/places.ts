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
  /** Ends the waiting. It does not end work that has started. */
  readonly signal?: AbortSignal | undefined
}

/** How many may be at work and wait, as of now. */
export interface PlacesSize {
  /** How much work may be under way at once. */
  readonly max: number
  /** How many may wait for a place. */
  readonly maxQueued: number
  /** How long one waits at most, in milliseconds. */
  readonly queueTimeoutMs: number
}

/** What places are made of. */
export interface PlacesInit {
  /** Name of the limit, for errors. */
  readonly name: string
  /** The size now. Asked whenever it matters, so that it may change. */
  readonly size: PlacesSize
  /** Whether newcomers wait for a tenth of the timeout only, after somebody waited in vain and until the queue has been empty. */
  readonly shortensWaits: boolean
  /**
   * Told of work that has ended, before its place is free: when it began, how it ended, and what {@link readStandstillMs} said at its beginning.
   *
   * @returns the time now, by `performance.now()`
   */
  readonly onSettle?: (startedAtMs: number, outcome: Outcome, standstillMs: number) => number
}

/** Places for work, and the queue of those who wait for one. */
export interface Places {
  /** Work under way. */
  readonly active: number
  /** How many wait. */
  readonly waiting: number
  /** Whether it was closed. */
  readonly closed: boolean
  /** Counts since it was made. */
  readonly counts: { readonly admitted: number; readonly rejected: number; readonly timedOut: number; readonly aborted: number }
  /** A permit, or `undefined` if there is no free place, or it was closed. @param nowMs handed to `onSettle` as the start */
  tryAcquire(request: LimitRequest, nowMs: number): Permit | undefined
  /** A permit at once, or the promise of one: it rejects with `SD_REJECTED`, `SD_ABORTED` or `SD_CLOSED`. Does not throw. */
  acquire(request: LimitAcquireOptions, nowMs: number): Permit | Promise<Permit>
  /** Gives free places to those who wait, and refuses those who are too many: to be called after the size has changed. */
  resized(nowMs: number): void
  /** Refuses everything from now on, also those who wait. */
  close(): void
}

/** Part of the timeout that newcomers wait for in a queue in which somebody waited in vain. */
const shortShare = 0.1

/**
 * Makes places. Nobody overtakes those who wait with the same priority; `critical` work, and work without a priority, is served before
 * `default`, which never takes the places that are kept from it. The time for which this process itself stands still is no wait, and what came in
 * meanwhile is read before anybody is refused: it frees places.
 */
export function createPlaces(init: PlacesInit): Places {
  return new QueuedPlaces(init)
}

class QueuedPlaces implements Places {
  readonly counts = { admitted: 0, rejected: 0, timedOut: 0, aborted: 0 }
  readonly #init: PlacesInit
  /** Waiting work that may use every place. */
  readonly #preferred = createWaitQueue<Waiter>()
  /** Waiting work that may not. */
  readonly #ordinary = createWaitQueue<Waiter>()
  #active = 0
  #closed = false
  /** Whether some work has waited in vain since the queue was empty: then it is not a burst but overload. */
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

  #admit(startedAtMs: number): Permit {
    const { onSettle } = this.#init
    this.#active++
    this.counts.admitted++
    if (this.#active === 1) followLoop(this.#work)
    const standstillMs = onSettle ? readStandstillMs(startedAtMs) : 0
    let settled = false
    return {
      settle: (outcome) => {
        if (settled) return
        settled = true
        const now = onSettle ? onSettle(startedAtMs, outcome, standstillMs) : 0
        this.#active--
        this.#admitWaiting(now)
      },
    }
  }

  /** Places that work of a priority may take: it gets one at least. */
  #placesFor(priority: CallPriority | undefined): number {
    const { size } = this.#init
    return priority ? Math.max(1, Math.floor(size.max * priorityShares[priority])) : size.max
  }

  #countWaiting(): number {
    return this.#preferred.length + this.#ordinary.length
  }

  #admitWaiting(nowMs: number): void {
    const { size } = this.#init
    for (let waiter = this.#preferred.first(); waiter && this.#active < size.max; waiter = this.#preferred.first())
      waiter.admit(this.#admit(nowMs))
    if (this.#ordinary.length === 0) return
    const places = this.#placesFor('default')
    for (let waiter = this.#ordinary.first(); waiter && this.#active < places; waiter = this.#ordinary.first())
      waiter.admit(this.#admit(nowMs))
  }

  #fullError(): SdError {
    const { name, size } = this.#init
    this.counts.rejected++
    return new SdError('SD_REJECTED', `${name} is full: ${this.#active} at work, ${size.maxQueued} may wait`)
  }

  /** How long who joins now waits at most. */
  #timeoutOfNewcomer(): number {
    const { size, shortensWaits } = this.#init
    if (this.#countWaiting() === 0) this.#overloaded = false
    return shortensWaits && this.#overloaded ? Math.max(1, size.queueTimeoutMs * shortShare) : size.queueTimeoutMs
  }

  /** Whether one more may wait. Work that may come later takes no place in the queue from work that may not. */
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

  tryAcquire({ priority }: LimitRequest, nowMs: number): Permit | undefined {
    if (!this.#closed && this.#active < this.#placesFor(priority)) return this.#admit(nowMs)
    this.counts.rejected++
    return undefined
  }

  acquire({ signal, priority }: LimitAcquireOptions, nowMs: number): Permit | Promise<Permit> {
    const { name } = this.#init
    if (this.#closed) return Promise.reject(closedError(name))
    if (signal?.aborted) return Promise.reject(abortError(signal, `waiting for ${name}`))
    if (this.#active < this.#placesFor(priority)) return this.#admit(nowMs)
    if (!this.#hasRoom(priority)) return Promise.reject(this.#fullError())
    return this.#wait(priority === 'default' ? this.#ordinary : this.#preferred, signal)
  }

  resized(nowMs: number): void {
    const { size } = this.#init
    if (this.#countWaiting() === 0) return
    this.#admitWaiting(nowMs)
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

import {
  abortError,
  type CallPriority,
  closedError,
  followLoop,
  judgeLimit,
  type LimitRequest,
  type Outcome,
  type Permit,
  priorityShares,
  readStandstillMs,
  SdError,
} from '@sd/core'
import { createWaitQueue, type Place, type WaitQueue } from './wait-queue.ts'

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

interface Waiter {
  admit(permit: Permit): void
  refuse(error: SdError): void
}

/** Part of the timeout that newcomers wait for in a queue in which somebody waited in vain. */
const shortShare = 0.1

/** The time that this process could use, by `performance.now()`. */
function usedMs(): number {
  const now = performance.now()
  return now - readStandstillMs(now)
}
/**
 * Makes places. Nobody overtakes those who wait with the same priority; `critical` work, and work without a priority, is served before
 * `default`, which never takes the places that are kept from it. The time for which this process itself stands still is no wait, and what came in
 * meanwhile is read before anybody is refused: it frees places.
 */
export function createPlaces({ name, size, shortensWaits, onSettle }: PlacesInit): Places {
  /** Those who may take every place, and those who may not. */
  const preferred = createWaitQueue<Waiter>()
  const ordinary = createWaitQueue<Waiter>()
  const counts = { admitted: 0, rejected: 0, timedOut: 0, aborted: 0 }
  let active = 0
  let closed = false
  /** Whether somebody has waited in vain since the queue was empty: then it is no burst but overload. */
  let overloaded = false
  const work = {
    get isBusy() {
      return active > 0
    },
  }

  function admit(startedAtMs: number): Permit {
    active++
    counts.admitted++
    if (active === 1) followLoop(work)
    const standstillMs = onSettle ? readStandstillMs(startedAtMs) : 0
    let settled = false
    return {
      settle(outcome) {
        if (settled) return
        settled = true
        const now = onSettle ? onSettle(startedAtMs, outcome, standstillMs) : 0
        active--
        admitWaiting(now)
      },
    }
  }

  /** Places that work of a priority may take: it gets one at least. */
  function placesFor(priority: CallPriority | undefined): number {
    return priority ? Math.max(1, Math.floor(size.max * priorityShares[priority])) : size.max
  }

  function waiting(): number {
    return preferred.length + ordinary.length
  }

  function admitWaiting(nowMs: number): void {
    for (let waiter = preferred.first(); waiter && active < size.max; waiter = preferred.first()) waiter.admit(admit(nowMs))
    if (ordinary.length === 0) return
    const places = placesFor('default')
    for (let waiter = ordinary.first(); waiter && active < places; waiter = ordinary.first()) waiter.admit(admit(nowMs))
  }

  function fullError(): SdError {
    counts.rejected++
    return new SdError('SD_REJECTED', `${name} is full: ${active} at work, ${size.maxQueued} may wait`)
  }

  /** How long who joins now waits at most. */
  function timeoutOfNewcomer(): number {
    if (waiting() === 0) overloaded = false
    return shortensWaits && overloaded ? Math.max(1, size.queueTimeoutMs * shortShare) : size.queueTimeoutMs
  }

  function wait(queue: WaitQueue<Waiter>, signal: AbortSignal | undefined): Promise<Permit> {
    const timeoutMs = timeoutOfNewcomer()
    return new Promise((resolve, reject) => {
      const startedAtMs = usedMs()
      let timer: ReturnType<typeof setTimeout> | undefined
      let isOver = false
      function startTimer(leftMs: number): void {
        const dueAtMs = performance.now() + leftMs
        timer = setTimeout(() => judgeLimit(dueAtMs, performance.now(), judge), leftMs)
      }
      function judge(): void {
        if (isOver) return
        const leftMs = timeoutMs - (usedMs() - startedAtMs)
        // Timers cut fractions off.
        if (leftMs >= 1) startTimer(leftMs)
        else refuseLate()
      }
      function refuseLate(): void {
        counts.timedOut++
        overloaded = true
        waiter.refuse(new SdError('SD_REJECTED', `${name} had no place within ${timeoutMs} ms`))
      }
      const onAbort = (): void => {
        counts.aborted++
        waiter.refuse(abortError(signal as AbortSignal, `waiting for ${name}`))
      }
      startTimer(timeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      function leave(): void {
        isOver = true
        place.leave()
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        admit(permit) {
          leave()
          resolve(permit)
        },
        refuse(error) {
          leave()
          reject(error)
        },
      }
      const place: Place<Waiter> = queue.join(waiter)
    })
  }

  /** Whether one more may wait. Work that may come later takes no place in the queue from work that may not. */
  function hasRoom(priority: CallPriority | undefined): boolean {
    if (priority === 'batch' || size.maxQueued === 0) return false
    if (waiting() < size.maxQueued) return true
    if (priority === 'default') return false
    const last = ordinary.last()
    last?.refuse(fullError())
    return last !== undefined
  }

  return {
    get active() {
      return active
    },
    get waiting() {
      return waiting()
    },
    get closed() {
      return closed
    },
    counts,
    tryAcquire({ priority }, nowMs) {
      if (!closed && active < placesFor(priority)) return admit(nowMs)
      counts.rejected++
      return undefined
    },
    acquire({ signal, priority }, nowMs) {
      if (closed) return Promise.reject(closedError(name))
      if (signal?.aborted) return Promise.reject(abortError(signal, `waiting for ${name}`))
      if (active < placesFor(priority)) return admit(nowMs)
      if (!hasRoom(priority)) return Promise.reject(fullError())
      return wait(priority === 'default' ? ordinary : preferred, signal)
    },
    resized(nowMs) {
      if (waiting() === 0) return
      admitWaiting(nowMs)
      while (waiting() > size.maxQueued) (ordinary.last() ?? preferred.last())?.refuse(fullError())
    },
    close() {
      closed = true
      for (const queue of [preferred, ordinary]) {
        for (let waiter = queue.first(); waiter; waiter = queue.first()) waiter.refuse(closedError(name))
      }
    },
  }
}

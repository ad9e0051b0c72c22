import {
  abortError,
  type CallPriority,
  closedError,
  type LimitRequest,
  type Outcome,
  type Permit,
  priorityShares,
  SdError,
} from '@sd/core'
import { createWaitQueue, type Place, type WaitQueue } from './wait-queue.ts'

/** Options of `acquire` and `execute` of a limit with a queue. */
export interface AcquireOptions extends LimitRequest {
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
  /** Told of work that has ended, before its place is free. @returns the time now, by `performance.now()` */
  readonly onSettle?: (startedAtMs: number, outcome: Outcome) => number
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
  acquire(request: AcquireOptions, nowMs: number): Permit | Promise<Permit>
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
/** A wait is timed in so many slices: each starts when the one before was seen to end, so that a stall counts for one slice at most. */
const slices = 5
/** Shortest slice, in milliseconds. */
const minSliceMs = 20
/** A timer that is so much too late, in milliseconds, says that the process stood still. */
const lateMs = 20

/**
 * Makes places. Nobody overtakes those who wait with the same priority; `critical` work, and work without a priority, is served before
 * `default`, which never takes the places that are kept from it. The time for which this process itself stood still hardly counts as
 * waiting, and the last slice is repeated once if it ended late: timers fire before the responses that came in meanwhile are read, and those
 * free the places.
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

  function admit(startedAtMs: number): Permit {
    active++
    counts.admitted++
    let settled = false
    return {
      settle(outcome) {
        if (settled) return
        settled = true
        const now = onSettle ? onSettle(startedAtMs, outcome) : 0
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
      let leftMs = timeoutMs
      let mayBeLate = true
      let sliceMs = 0
      let dueAt = 0
      let timer: ReturnType<typeof setTimeout> | undefined
      function startSlice(): void {
        sliceMs = Math.min(Math.max(minSliceMs, Math.ceil(timeoutMs / slices)), Math.max(leftMs, 1))
        dueAt = performance.now() + sliceMs
        timer = setTimeout(endSlice, sliceMs)
      }
      function endSlice(): void {
        leftMs -= sliceMs
        if (leftMs <= 0 && mayBeLate && performance.now() - dueAt > lateMs) {
          mayBeLate = false
          leftMs = sliceMs
        }
        if (leftMs > 0) startSlice()
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
      startSlice()
      signal?.addEventListener('abort', onAbort, { once: true })
      function leave(): void {
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

import {
  abortError,
  type CallPriority,
  type ConcurrencyLimit,
  checkDuration,
  checkInteger,
  checkKnownKeys,
  checkName,
  closedError,
  type LimitRequest,
  type Permit,
  priorityShares,
  SdError,
} from '@sd/core'
import { runWithPermit } from './run-with-permit.ts'
import { createWaitQueue, type Place } from './wait-queue.ts'

/** How much a bulkhead takes; what {@link Bulkhead.resize} changes. */
export interface BulkheadSize {
  /** How much work may be under way at once, from 1. */
  readonly maxConcurrent: number
  /** How many may wait for a place; 0 for no waiting. @default 0 */
  readonly maxQueued?: number
  /** How long one waits at most, in milliseconds, from 1. @default 1_000 */
  readonly queueTimeoutMs?: number
}

/** Options of {@link createBulkhead}. */
export interface BulkheadOptions extends BulkheadSize {
  /** Name for logs, metrics and errors. @default 'bulkhead' */
  readonly name?: string
}

/** Options of {@link Bulkhead.acquire} and {@link Bulkhead.execute}. */
export interface AcquireOptions extends LimitRequest {
  /** Ends the waiting. It does not end work that has started. */
  readonly signal?: AbortSignal | undefined
}

/** Numbers of a bulkhead: how it is now, and counts since it was made. */
export interface BulkheadStatistics {
  /** Work under way now. Above `maxConcurrent` for a while after it was made smaller. */
  readonly active: number
  /** Waiting now. */
  readonly queued: number
  /** The limit now. */
  readonly maxConcurrent: number
  /** The limit of the queue now. */
  readonly maxQueued: number
  /** Permits given so far. */
  readonly admitted: number
  /** Refused so far, because there was no place or the queue was full. */
  readonly rejected: number
  /** Refused so far, because they waited for `queueTimeoutMs`. */
  readonly timedOut: number
  /** Waits so far that the caller's signal ended. */
  readonly aborted: number
}

/**
 * Keeps one kind of work from taking everything: at most so many at once, at most so many waiting, and those for a limited time.
 */
export interface Bulkhead extends ConcurrencyLimit, Disposable {
  /** A permit at once, or `undefined` if there is no free place or the bulkhead is closed. Never overtakes those who wait. */
  tryAcquire(request?: LimitRequest): Permit | undefined
  /**
   * Waits in the queue for a permit: first come, first served.
   *
   * @throws SdError `SD_REJECTED` (retryable) if the queue is full or the wait took `queueTimeoutMs`, `SD_ABORTED` when the signal
   * fires, `SD_CLOSED`
   */
  acquire(options?: AcquireOptions): Promise<Permit>
  /**
   * Waits for a permit, runs `work`, and settles the permit when its promise settles. For work that goes on after that, such as a
   * response with its body, use `acquire`.
   *
   * @throws what {@link Bulkhead.acquire} and `work` throw
   */
  execute<T>(work: () => Promise<T> | T, options?: AcquireOptions): Promise<T>
  /** The numbers now. */
  statistics(): BulkheadStatistics
  /**
   * Changes some of the limits. More places are given at once to those who wait; with fewer, work under way ends in peace. If the queue
   * becomes too long, those who came last are rejected. Waits that have begun keep their timeout.
   *
   * @throws SdError `SD_INVALID` that names the field, and nothing has changed
   */
  resize(size: Partial<BulkheadSize>): void
  /** Refuses all work from now on, and rejects those who wait with `SD_CLOSED`. Work under way ends in peace. Idempotent. */
  close(): void
}

interface Waiter {
  admit(permit: Permit): void
  refuse(error: SdError): void
}

const sizeKeys = ['maxConcurrent', 'maxQueued', 'queueTimeoutMs'] as const

/** More than any process can hold: a larger number is a mistake. */
const countRange = { min: 0, max: 1_000_000 }

function checkSize(size: BulkheadSize): Required<BulkheadSize> {
  return {
    maxConcurrent: checkInteger('maxConcurrent', size.maxConcurrent, { ...countRange, min: 1 }),
    maxQueued: checkInteger('maxQueued', size.maxQueued ?? 0, countRange),
    queueTimeoutMs: checkDuration('queueTimeoutMs', size.queueTimeoutMs ?? 1_000, 1),
  }
}

/**
 * Makes a bulkhead: the pattern of Michael Nygard's "Release It!", with the bounded queue of Polly's concurrency limiter. Needs no timer
 * but those of who waits.
 *
 * @see https://www.pollydocs.org/strategies/rate-limiter.html
 * @throws SdError `SD_INVALID` that names the option
 */
export function createBulkhead(options: BulkheadOptions): Bulkhead {
  checkKnownKeys('', options, [...sizeKeys, 'name'])
  const name = checkName('name', options.name ?? 'bulkhead')
  const waiting = createWaitQueue<Waiter>()
  const counts = { admitted: 0, rejected: 0, timedOut: 0, aborted: 0 }
  let size = checkSize(options)
  let active = 0
  let closed = false

  function admit(): Permit {
    active++
    counts.admitted++
    let settled = false
    return {
      settle() {
        if (settled) return
        settled = true
        active--
        admitWaiting()
      },
    }
  }

  function admitWaiting(): void {
    while (active < size.maxConcurrent) {
      const waiter = waiting.first()
      if (!waiter) return
      waiter.admit(admit())
    }
  }

  function fullError(): SdError {
    counts.rejected++
    return new SdError('SD_REJECTED', `${name} is full: ${size.maxConcurrent} at work, ${size.maxQueued} may wait`)
  }

  /** Places that work of a priority may take: it gets one at least. */
  function placesFor(priority: CallPriority | undefined): number {
    return priority ? Math.max(1, Math.floor(size.maxConcurrent * priorityShares[priority])) : size.maxConcurrent
  }

  function tryAcquire({ priority }: LimitRequest = {}): Permit | undefined {
    if (!closed && active < placesFor(priority)) return admit()
    counts.rejected++
    return undefined
  }

  function wait(signal: AbortSignal | undefined): Promise<Permit> {
    const { queueTimeoutMs } = size
    return new Promise((resolve, reject) => {
      const onTimeout = (): void => {
        counts.timedOut++
        waiter.refuse(new SdError('SD_REJECTED', `${name} had no place within ${queueTimeoutMs} ms`))
      }
      const onAbort = (): void => {
        counts.aborted++
        waiter.refuse(abortError(signal as AbortSignal, `waiting for ${name}`))
      }
      const timer = setTimeout(onTimeout, queueTimeoutMs)
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
      const place: Place<Waiter> = waiting.join(waiter)
    })
  }

  async function acquire({ signal, priority }: AcquireOptions = {}): Promise<Permit> {
    if (closed) throw closedError(name)
    if (signal?.aborted) throw abortError(signal, `waiting for ${name}`)
    if (active < placesFor(priority)) return admit()
    // Work that may come later does not take the places in the queue from work that may not.
    if (priority === 'batch' || waiting.length >= size.maxQueued) throw fullError()
    return wait(signal)
  }

  function close(): void {
    closed = true
    for (let waiter = waiting.first(); waiter; waiter = waiting.first()) waiter.refuse(closedError(name))
  }

  return {
    name,
    get load() {
      return { max: size.maxConcurrent, active, waiting: waiting.length }
    },
    tryAcquire,
    acquire,
    execute: async (work, acquireOptions) => runWithPermit(await acquire(acquireOptions), work),
    statistics: () => ({
      active,
      queued: waiting.length,
      maxConcurrent: size.maxConcurrent,
      maxQueued: size.maxQueued,
      ...counts,
    }),
    resize(change) {
      checkKnownKeys('', change, sizeKeys)
      size = checkSize({ ...size, ...change })
      admitWaiting()
      while (waiting.length > size.maxQueued) waiting.last()?.refuse(fullError())
    },
    close,
    [Symbol.dispose]: close,
  }
}

import {
  type ConcurrencyLimit,
  checkDuration,
  checkInteger,
  checkKnownKeys,
  checkName,
  type LimitRequest,
  type Permit,
} from '@sd/core'
import { createPlaces, type LimitAcquireOptions } from './places.ts'
import { runWithPermit } from './run-with-permit.ts'

export type { LimitAcquireOptions } from './places.ts'

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
   * Waits in the queue for a permit: first come, first served, `default` after `critical` and work without a priority.
   *
   * @throws SdError `SD_REJECTED` (retryable) if the queue is full or the wait took `queueTimeoutMs`, `SD_ABORTED` when the signal
   * fires, `SD_CLOSED`
   */
  acquire(options?: LimitAcquireOptions): Promise<Permit>
  /**
   * Waits for a permit, runs `work`, and settles the permit when its promise settles. For work that goes on after that, such as a
   * response with its body, use `acquire`.
   *
   * @throws what {@link Bulkhead.acquire} and `work` throw
   */
  execute<T>(work: () => Promise<T> | T, options?: LimitAcquireOptions): Promise<T>
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
  let size = checkSize(options)
  const places = createPlaces({
    name,
    size: {
      get max() {
        return size.maxConcurrent
      },
      get maxQueued() {
        return size.maxQueued
      },
      get queueTimeoutMs() {
        return size.queueTimeoutMs
      },
    },
    shortensWaits: false,
  })

  async function acquire(request: LimitAcquireOptions = {}): Promise<Permit> {
    return places.acquire(request, 0)
  }

  return {
    name,
    get load() {
      return { max: size.maxConcurrent, active: places.active, waiting: places.waiting }
    },
    tryAcquire: (request = {}) => places.tryAcquire(request, 0),
    acquire,
    execute: async (work, acquireOptions) => runWithPermit(await acquire(acquireOptions), work),
    statistics: () => ({
      active: places.active,
      queued: places.waiting,
      maxConcurrent: size.maxConcurrent,
      maxQueued: size.maxQueued,
      ...places.counts,
    }),
    resize(change) {
      checkKnownKeys('', change, sizeKeys)
      size = checkSize({ ...size, ...change })
      places.resized(0)
    },
    close: () => places.close(),
    [Symbol.dispose]: () => places.close(),
  }
}

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

/** Size of a bulkhead, which {@link Bulkhead.resize} changes. */
export interface BulkheadSize {
  /** Maximum number of calls in progress, from 1. */
  readonly maxConcurrent: number
  /** Maximum number of calls that wait for a place; 0 disables the queue. @default 0 */
  readonly maxQueued?: number
  /** Longest wait, in milliseconds, from 1. @default 1_000 */
  readonly queueTimeoutMs?: number
}

/** Options of {@link createBulkhead}. */
export interface BulkheadOptions extends BulkheadSize {
  /** Name for logs, metrics and errors. @default 'bulkhead' */
  readonly name?: string
}

/** Current state of a bulkhead, and counters since its creation. */
export interface BulkheadStatistics {
  /** Calls in progress. May exceed `maxConcurrent` for a while after a resize. */
  readonly active: number
  /** Calls waiting now. */
  readonly queued: number
  /** Current limit of calls in progress. */
  readonly maxConcurrent: number
  /** Current limit of the queue. */
  readonly maxQueued: number
  /** Permits granted. */
  readonly admitted: number
  /** Calls refused because there was no place or the queue was full. */
  readonly rejected: number
  /** Calls refused because they waited for `queueTimeoutMs`. */
  readonly timedOut: number
  /** Waits that the caller's signal ended. */
  readonly aborted: number
}

/**
 * Keeps one kind of work from using all capacity: limits the calls in progress, the calls in the queue, and the time of
 * their wait.
 */
export interface Bulkhead extends ConcurrencyLimit, Disposable {
  /**
   * Returns a permit at once, or `undefined` if there is no free place or the bulkhead is closed. Never overtakes waiting
   * calls.
   */
  tryAcquire(request?: LimitRequest): Permit | undefined
  /**
   * Waits in the queue for a permit. First come, first served; `default` comes after `critical` and calls without a priority.
   *
   * @throws SdError `SD_REJECTED` (retryable) if the queue is full or the wait took `queueTimeoutMs`, `SD_ABORTED` when the
   *   signal aborts, `SD_CLOSED`
   */
  acquire(options?: LimitAcquireOptions): Promise<Permit>
  /**
   * Waits for a permit, runs `work`, and settles the permit when its promise settles. For work that continues after that,
   * such as a response with its body, use `acquire`.
   *
   * @throws the errors of {@link Bulkhead.acquire} and of `work`
   */
  execute<T>(work: () => Promise<T> | T, options?: LimitAcquireOptions): Promise<T>
  /** Returns the current statistics. */
  statistics(): BulkheadStatistics
  /**
   * Changes the given limits. New places go to waiting calls at once; with fewer places, calls in progress can finish. If
   * the queue becomes too long, the newest calls are rejected. Waits that have begun keep their timeout.
   *
   * @throws SdError `SD_INVALID` that names the field; nothing has changed then
   */
  resize(size: Partial<BulkheadSize>): void
  /** Refuses all calls from now on, and rejects waiting ones with `SD_CLOSED`. Calls in progress can finish. Idempotent. */
  close(): void
}

const sizeKeys = ['maxConcurrent', 'maxQueued', 'queueTimeoutMs'] as const

/** No process can hold more, so a larger number is a mistake. */
const countRange = { min: 0, max: 1_000_000 }

function checkSize(size: BulkheadSize): Required<BulkheadSize> {
  return {
    maxConcurrent: checkInteger('maxConcurrent', size.maxConcurrent, { ...countRange, min: 1 }),
    maxQueued: checkInteger('maxQueued', size.maxQueued ?? 0, countRange),
    queueTimeoutMs: checkDuration('queueTimeoutMs', size.queueTimeoutMs ?? 1_000, 1),
  }
}

/**
 * Creates a bulkhead: the pattern of Michael Nygard's "Release It!", with the bounded queue of Polly's concurrency limiter.
 * Only waiting calls need a timer.
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

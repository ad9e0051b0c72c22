import { type ConcurrencyLimit, judgeOutcome, type LimitRequest, type Permit, readStandstillMs } from '@sd/core'
import { type AdaptiveLimitOptions, resolveAdaptiveLimitOptions } from './adaptive-limit-options.ts'
import { createEventLoopDelay } from './event-loop-delay.ts'
import { createGradient } from './gradient.ts'
import { createPlaces, type LimitAcquireOptions } from './places.ts'
import { runWithPermit } from './run-with-permit.ts'

export type { AdaptiveLimitOptions } from './adaptive-limit-options.ts'

/** Numbers of an adaptive limit: how it is now, and counts since it was made. */
export interface AdaptiveLimitStatistics {
  /** Work under way now. Above `limit` for a while after it fell. */
  readonly active: number
  /** How much may be under way now. */
  readonly limit: number
  /** Latency without load in milliseconds, as last measured; 0 before. */
  readonly minRttMs: number
  /** Latency of the last window in milliseconds; 0 before. */
  readonly sampleRttMs: number
  /** Mean lateness of the event loop as last read, in milliseconds; 0 if it is not measured. */
  readonly eventLoopDelayMs: number
  /** Whether the latency without load is being measured now, with `minLimit`. */
  readonly probing: boolean
  /** Permits given so far. */
  readonly admitted: number
  /** Waiting now. */
  readonly queued: number
  /** Refused so far, because there was no place or the queue was full. */
  readonly rejected: number
  /** Refused so far, because they waited for `queueTimeoutMs`. */
  readonly timedOut: number
  /** Waits so far that the caller's signal ended. */
  readonly aborted: number
}

/** Finds by latency how much work may be under way at once. The rest waits shortly, where there is a queue, or is refused. */
export interface AdaptiveLimit extends ConcurrencyLimit, Disposable {
  /** A permit, or `undefined` if the limit is reached or was closed. */
  tryAcquire(request?: LimitRequest): Permit | undefined
  /**
   * A permit at once, or the promise of one after a wait in the queue. The wait is no part of the latency that the limit follows.
   *
   * @throws SdError as a rejection: `SD_REJECTED` (retryable) if the limit is reached and the queue is full, or the wait took too long,
   * `SD_ABORTED` when the signal fires, `SD_CLOSED`
   */
  acquire(options?: LimitAcquireOptions): Permit | Promise<Permit>
  /**
   * Waits for a permit as {@link AdaptiveLimit.acquire} does, runs `work`, and settles it when its promise settles. For work that goes on after that, such as a response with its
   * body, use `tryAcquire` or `acquire`.
   *
   * @throws what {@link AdaptiveLimit.acquire} and `work` throw
   */
  execute<T>(work: () => Promise<T> | T, options?: LimitAcquireOptions): Promise<T>
  /** The numbers now. */
  statistics(): AdaptiveLimitStatistics
  /** Refuses all work from now on, also what waits, and stops to measure the event loop. Work under way ends in peace. Idempotent. */
  close(): void
}

/**
 * Makes a limit that follows latency: Envoy's gradient controller with parts of Netflix's Gradient2, plus the event loop's delay. It sheds
 * load before latency collapses. Windows and probes are closed by the calls themselves. A latency is without the
 * time for which this process stood still.
 *
 * The queue, off by default, is for bursts: after a stall of this process all that was due comes at once. Once somebody has waited in
 * vain it is no burst but overload, and newcomers wait a tenth of `queueTimeoutMs` until the queue has been empty: after the controlled
 * delay of CoDel as Facebook uses it.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter
 * @see https://github.com/Netflix/concurrency-limits (Gradient2Limit)
 * @see https://queue.acm.org/detail.cfm?id=2839461 (Fail at Scale)
 * @throws SdError `SD_INVALID` that names the option
 */
export function createAdaptiveLimit(options: AdaptiveLimitOptions = {}): AdaptiveLimit {
  const settings = resolveAdaptiveLimitOptions(options)
  const { name } = settings
  const eventLoop = settings.maxEventLoopDelayMs > 0 ? createEventLoopDelay() : undefined
  const gradient = createGradient({ ...settings, readEventLoopDelay: () => eventLoop?.read() ?? 0 }, performance.now())
  const places = createPlaces({
    name,
    size: {
      get max() {
        return gradient.limit
      },
      maxQueued: settings.maxQueued,
      queueTimeoutMs: settings.queueTimeoutMs,
    },
    shortensWaits: true,
    onSettle(startedAt, outcome, standstillMs) {
      const now = performance.now()
      const verdict = judgeOutcome(outcome)
      if (verdict !== 'neutral') {
        const latencyMs = outcome.latencyMs ?? now - startedAt
        gradient.learn(startedAt, latencyMs, { ok: verdict === 'success', standstillMs: readStandstillMs(now) - standstillMs })
      }
      gradient.advance(now, places.active)
      return now
    },
  })

  /** Lets the limit follow the time; those who wait get what it gained. @returns the time */
  function advance(): number {
    const now = performance.now()
    gradient.advance(now, places.active)
    places.resized(now)
    return now
  }

  function acquire(request: LimitAcquireOptions = {}): Permit | Promise<Permit> {
    return places.acquire(request, advance())
  }

  function close(): void {
    places.close()
    eventLoop?.close()
  }

  return {
    name,
    get load() {
      return { max: gradient.limit, active: places.active, waiting: places.waiting }
    },
    tryAcquire: (request: LimitRequest = {}) => places.tryAcquire(request, advance()),
    acquire,
    execute: async (work, acquireOptions) => runWithPermit(await acquire(acquireOptions), work),
    statistics: () => ({
      active: places.active,
      queued: places.waiting,
      limit: gradient.limit,
      minRttMs: gradient.minRttMs,
      sampleRttMs: gradient.sampleRttMs,
      eventLoopDelayMs: gradient.eventLoopDelayMs,
      probing: gradient.probing,
      ...places.counts,
    }),
    close,
    [Symbol.dispose]: close,
  }
}

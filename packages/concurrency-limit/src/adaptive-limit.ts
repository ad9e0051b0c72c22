import { type ConcurrencyLimit, judgeOutcome, type LimitRequest, type Permit, readStandstillMs } from '@sd/core'
import { type AdaptiveLimitOptions, resolveAdaptiveLimitOptions } from './adaptive-limit-options.ts'
import { createEventLoopDelay } from './event-loop-delay.ts'
import { createGradient } from './gradient.ts'
import { createPlaces, type LimitAcquireOptions } from './places.ts'
import { runWithPermit } from './run-with-permit.ts'

export type { AdaptiveLimitOptions } from './adaptive-limit-options.ts'

/** Current state of an adaptive limit, and counters since its creation. */
export interface AdaptiveLimitStatistics {
  /** Calls in progress. May exceed `limit` for a while after the limit fell. */
  readonly active: number
  /** Current limit of calls in progress. */
  readonly limit: number
  /** Last measured latency without load, in milliseconds; 0 before the first measurement. */
  readonly minRttMs: number
  /** Latency of the last window, in milliseconds; 0 before the first window. */
  readonly sampleRttMs: number
  /** Last measured mean delay of the event loop, in milliseconds; 0 if it is not measured. */
  readonly eventLoopDelayMs: number
  /** Whether a probe is in progress, which measures the latency without load with `minLimit`. */
  readonly probing: boolean
  /** Permits granted. */
  readonly admitted: number
  /** Calls waiting now. */
  readonly queued: number
  /** Calls refused because there was no place or the queue was full. */
  readonly rejected: number
  /** Calls refused because they waited for `queueTimeoutMs`. */
  readonly timedOut: number
  /** Waits that the caller's signal ended. */
  readonly aborted: number
}

/** Derives the number of concurrent calls from their latency. Further calls wait briefly, if there is a queue, or are refused. */
export interface AdaptiveLimit extends ConcurrencyLimit, Disposable {
  /** Returns a permit, or `undefined` if the limit is reached or closed. */
  tryAcquire(request?: LimitRequest): Permit | undefined
  /**
   * Returns a permit at once, or the promise of one after a wait in the queue. The wait is not part of the latency that the
   * limit follows.
   *
   * @throws SdError as a rejection: `SD_REJECTED` (retryable) if the limit is reached and the queue is full, or the wait
   *   took too long, `SD_ABORTED` when the signal fires, `SD_CLOSED`
   */
  acquire(options?: LimitAcquireOptions): Permit | Promise<Permit>
  /**
   * Waits for a permit as {@link AdaptiveLimit.acquire} does, runs `work`, and settles the permit when its promise settles.
   * For work that continues after that, such as a response with its body, use `tryAcquire` or `acquire`.
   *
   * @throws the errors of {@link AdaptiveLimit.acquire} and of `work`
   */
  execute<T>(work: () => Promise<T> | T, options?: LimitAcquireOptions): Promise<T>
  /** Returns the current statistics. */
  statistics(): AdaptiveLimitStatistics
  /**
   * Refuses all calls from now on, including waiting ones, and stops measuring the event loop. Calls in progress can
   * finish. Idempotent.
   */
  close(): void
}

/**
 * Creates a limit that follows latency: Envoy's gradient controller with parts of Netflix's Gradient2, and the delay of the
 * event loop. It sheds load before latency collapses. The calls themselves close windows and probes. A latency excludes the
 * time for which this process was blocked.
 *
 * The queue, off by default, is for bursts, such as all the calls that become due while this process is blocked. If a wait
 * times out, the cause is overload rather than a burst. Then new waits get a tenth of `queueTimeoutMs` until the queue has
 * been empty. This follows CoDel's controlled delay, as used by Facebook.
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

  /** Updates the limit, and grants new places to waiting calls. @returns the current time */
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

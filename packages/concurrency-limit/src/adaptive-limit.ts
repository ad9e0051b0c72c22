import {
  type ConcurrencyLimit,
  closedError,
  judgeOutcome,
  type LimitRequest,
  type Outcome,
  type Permit,
  priorityShares,
  SdError,
} from '@sd/core'
import { type AdaptiveLimitOptions, checkAdaptiveLimitOptions } from './adaptive-limit-options.ts'
import { createEventLoopDelay } from './event-loop-delay.ts'
import { createGradient } from './gradient.ts'
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
  /** Refused so far. */
  readonly rejected: number
}

/** Finds by latency how much work may be under way at once, and refuses the rest at once: there is no queue. */
export interface AdaptiveLimit extends ConcurrencyLimit, Disposable {
  /** A permit, or `undefined` if the limit is reached or was closed. */
  tryAcquire(request?: LimitRequest): Permit | undefined
  /**
   * Runs `work` under a permit, and settles it when its promise settles. For work that goes on after that, such as a response with its
   * body, use `tryAcquire`.
   *
   * @throws SdError `SD_REJECTED` (retryable) if the limit is reached, `SD_CLOSED`, else what `work` throws
   */
  execute<T>(work: () => Promise<T> | T): Promise<T>
  /** The numbers now. */
  statistics(): AdaptiveLimitStatistics
  /** Refuses all work from now on, and stops to measure the event loop. Work under way ends in peace. Idempotent. */
  close(): void
}

/**
 * Makes a limit that follows latency: Envoy's gradient controller with parts of Netflix's Gradient2, plus the event loop's delay. It sheds
 * load before latency collapses. It keeps no timer: windows and probes are closed by the calls themselves.
 *
 * @see https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter
 * @see https://github.com/Netflix/concurrency-limits (Gradient2Limit)
 * @throws SdError `SD_INVALID` that names the option
 */
export function createAdaptiveLimit(options: AdaptiveLimitOptions = {}): AdaptiveLimit {
  const settings = checkAdaptiveLimitOptions(options)
  const { name } = settings
  const eventLoop = settings.maxEventLoopDelayMs > 0 ? createEventLoopDelay() : undefined
  const gradient = createGradient({ ...settings, readEventLoopDelay: () => eventLoop?.read() ?? 0 }, performance.now())
  let active = 0
  let admitted = 0
  let rejected = 0
  let closed = false

  function admit(startedAt: number): Permit {
    active++
    admitted++
    let settled = false
    return {
      settle(outcome) {
        if (settled) return
        settled = true
        learn(startedAt, outcome)
        active--
      },
    }
  }

  function learn(startedAt: number, outcome: Outcome): void {
    const now = performance.now()
    const verdict = judgeOutcome(outcome)
    if (verdict !== 'neutral') gradient.learn(startedAt, outcome.latencyMs ?? now - startedAt, verdict === 'success')
    gradient.advance(now, active)
  }

  function tryAcquire({ priority }: LimitRequest = {}): Permit | undefined {
    const now = performance.now()
    gradient.advance(now, active)
    const places = priority ? Math.max(1, Math.floor(gradient.limit * priorityShares[priority])) : gradient.limit
    if (!closed && active < places) return admit(now)
    rejected++
    return undefined
  }

  function close(): void {
    closed = true
    eventLoop?.close()
  }

  return {
    name,
    get load() {
      return { max: gradient.limit, active, waiting: 0 }
    },
    tryAcquire,
    async execute(work) {
      if (closed) throw closedError(name)
      const permit = tryAcquire()
      if (!permit) throw new SdError('SD_REJECTED', `${name} is full: ${active} at work, ${gradient.limit} allowed`)
      return runWithPermit(permit, work)
    },
    statistics: () => ({
      active,
      limit: gradient.limit,
      minRttMs: gradient.minRttMs,
      sampleRttMs: gradient.sampleRttMs,
      eventLoopDelayMs: gradient.eventLoopDelayMs,
      probing: gradient.probing,
      admitted,
      rejected,
    }),
    close,
    [Symbol.dispose]: close,
  }
}

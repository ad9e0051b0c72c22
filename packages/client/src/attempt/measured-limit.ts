import {
  BoundedMap,
  type CallContext,
  checkDuration,
  checkKnownKeys,
  checkNumber,
  createLatencyHistogram,
  invalidError,
} from '@sd/core'
import { createKindFinder } from '../call/call-kind.ts'
import type { AttemptLimit } from './attempt-limit.ts'

/** Options of {@link createMeasuredLimit}. */
export interface MeasuredLimitOptions {
  /** Percentile of the latency that the limit follows, from 0.5 to 0.999. @default 0.99 */
  readonly percentile?: number
  /** Multiple of that latency that an attempt may take, from 1 to 100. @default 5 */
  readonly multiple?: number
  /** Shortest limit, in milliseconds. A tenth of the call's time limit, if that is more. @default 500 */
  readonly minMs?: number
  /**
   * Longest limit, in milliseconds; also the limit before there are enough samples. @default half of the call's time
   * limit, at least 1_000
   */
  readonly maxMs?: number
}

/** State of one kind of request. */
interface Known {
  readonly latencies: ReturnType<typeof createLatencyHistogram>
  /** Start of the first attempt after the last response, by `performance.now()`; 0 if there was none. */
  waitingSince: number
  /** Until when the longest limit applies. */
  slowUntil: number
}

/** Minimum number of responses before the limit follows them: fewer do not determine a 99th percentile. */
const minSamples = 100
/** Latencies are remembered for one to two of these, in milliseconds. */
const windowMs = 30_000
/**
 * Time for which a service is treated as slow after a silence, in milliseconds: the percentile needs some responses to
 * rise.
 */
const slowMs = 10_000
/** Maximum number of request kinds. */
const maxKinds = 50
/** An unused kind is forgotten after this time, in milliseconds. */
const idleMs = 600_000

/**
 * Creates a limit for attempts that follows the measured latency: five times the 99th percentile of the last half
 * minute, between a tenth and half of the call's time limit. For a log-normal latency with a P99 of eight medians this
 * cuts fewer than 1 in 10,000 responses. A hanging instance costs little time, and leaves time for another one.
 *
 * Kinds of requests are separated by method and path, without segments that have a digit or are long: a slow operation
 * does not have the limit of fast ones. If no response arrives for as long as the limit, the service is slow, not a
 * single instance: the longest limit then applies for ten seconds.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createMeasuredLimit(options: MeasuredLimitOptions = {}): AttemptLimit {
  checkKnownKeys('', options, ['percentile', 'multiple', 'minMs', 'maxMs'])
  const percentile = checkNumber('percentile', options.percentile ?? 0.99, { min: 0.5, max: 0.999 })
  const multiple = checkNumber('multiple', options.multiple ?? 5, { min: 1, max: 100 })
  const minMs = checkDuration('minMs', options.minMs ?? 500, 1)
  const maxMs = options.maxMs === undefined ? undefined : checkDuration('maxMs', options.maxMs, 1)
  if (maxMs !== undefined && maxMs < minMs) throw invalidError('maxMs', maxMs, `at least minMs = ${minMs}`)
  const kinds = new BoundedMap<string, Known>({ maxEntries: maxKinds, idleMs })

  const findKind = createKindFinder()

  function knownOf(call: CallContext, now: number): Known {
    const kind = findKind(call)
    let known = kinds.get(kind, now)
    if (!known) {
      known = { latencies: createLatencyHistogram(windowMs), waitingSince: 0, slowUntil: 0 }
      kinds.set(kind, known)
    }
    return known
  }

  return {
    currentMs({ call }) {
      const totalMs = call.deadlineAt - call.startedAt
      if (totalMs === Number.POSITIVE_INFINITY) return 0
      const longestMs = maxMs ?? Math.max(1_000, totalMs / 2)
      const now = performance.now()
      const known = knownOf(call, now)
      const usualMs = known.latencies.quantile(percentile, minSamples, now)
      const limitMs =
        usualMs === undefined
          ? longestMs
          : Math.min(longestMs, Math.max(minMs, maxMs === undefined ? totalMs / 10 : 0, multiple * usualMs))
      const waitedMs = known.waitingSince === 0 ? 0 : now - known.waitingSince
      known.waitingSince ||= now
      if (waitedMs > limitMs) known.slowUntil = now + slowMs
      return Math.ceil(now < known.slowUntil ? longestMs : limitMs)
    },
    learn(latencyMs, call, now = performance.now()) {
      const known = knownOf(call, now)
      known.latencies.record(latencyMs, now)
      known.waitingSince = 0
    },
  }
}

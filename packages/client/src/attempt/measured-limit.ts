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
  /** Which latency the limit follows, as a share from 0.5 to 0.999. @default 0.99 */
  readonly percentile?: number
  /** How many times that latency an attempt may take, from 1 to 100. @default 5 */
  readonly multiple?: number
  /** Shortest limit, in milliseconds. A tenth of the call's time limit, where that is more. @default 500 */
  readonly minMs?: number
  /** Longest limit, in milliseconds, and the limit while too little is known. @default half of the call's time limit, at least 1_000 */
  readonly maxMs?: number
}

/** What is known of one kind of request. */
interface Known {
  readonly latencies: ReturnType<typeof createLatencyHistogram>
  /** When the first attempt began after the last response, by `performance.now()`; 0 if none did. */
  waitingSince: number
  /** Until when the longest limit is in effect. */
  slowUntil: number
}

/** Responses that must have been seen before the limit follows them: fewer say nothing of a 99th percentile. */
const minSamples = 100
/** How long latencies are remembered, for one to two of these, in milliseconds. */
const windowMs = 30_000
/** For how long a service is taken to be slow after it was silent, in milliseconds: the percentile needs some responses to rise. */
const slowMs = 10_000
/** Kinds of requests that are told apart. */
const maxKinds = 50
/** Kinds that were not asked for are forgotten, in milliseconds. */
const idleMs = 600_000

/**
 * A limit for attempts that follows measured latency: five times the 99th percentile of the last half minute, which of a log-normal latency with a P99
 * of eight medians cuts less than 1 in 10,000; within a tenth and half of the call's time limit. So an instance that hangs costs little, and
 * leaves time for another one.
 *
 * Kinds of requests are told apart by method and path, without segments that have a digit or are long: a slow operation does not have the limit of the
 * quick ones. Where nothing at all came for as long as the limit, the service is slow and not an instance, and the longest limit is in effect for ten seconds.
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

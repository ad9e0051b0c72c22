import { type OutcomeOrigin, SdError, type SdErrorCode } from '../errors.ts'

/** Result of one attempt or one call. {@link judgeOutcome} decides what it says about the endpoint or service. */
export interface Outcome {
  /** Whether it ended without an error and, if there is a status, with one below 500 unless the caller decides otherwise. */
  readonly ok: boolean
  /** Time from send to response headers, in milliseconds; absent without a response. */
  readonly latencyMs?: number | undefined
  /** Status of the response, if there was one. */
  readonly status?: number | undefined
  /** The error, if it failed. */
  readonly error?: unknown
  /** Origin of the error, if the caller knows more than the error itself. @default {@link originOf} of the error */
  readonly origin?: OutcomeOrigin | undefined
  /** When the attempt began, by `performance.now()`; absent if unknown. */
  readonly startedAt?: number | undefined
  /** Whether any part of the request was passed to a connection. @default true */
  readonly sent?: boolean | undefined
  /** How long the instance asks for no requests, in milliseconds: `Retry-After` of a 429 or 503, or a gRPC pushback. */
  readonly retryAfterMs?: number | undefined
}

/** What a response says about the instance if its HTTP status does not; for example gRPC, whose status is in the trailers. */
export interface ResponseVerdict extends Pick<Outcome, 'ok' | 'retryAfterMs'> {
  /** Status for policies and telemetry. @default the status of the response */
  readonly status?: number | undefined
  /** gRPC status code, for gRPC responses. */
  readonly grpcStatus?: number | undefined
}

/**
 * What an outcome says about the endpoint or service. `neutral` outcomes say nothing: they are not counted, not retried,
 * and do not change the latency.
 */
export type OutcomeVerdict = 'success' | 'failure' | 'neutral'

/**
 * Origins of codes, if not `peer`. `SD_DEADLINE_EXCEEDED` belongs to the caller unless more is known, see {@link
 * deadlineOrigin}: a caller can set a deadline that is impossible to meet.
 */
const origins: ReadonlyMap<SdErrorCode, OutcomeOrigin> = new Map<SdErrorCode, OutcomeOrigin>([
  ['SD_INVALID', 'caller'],
  ['SD_ABORTED', 'caller'],
  ['SD_DEADLINE_EXCEEDED', 'caller'],
  ['SD_TOO_LARGE', 'caller'],
  ['SD_CLOSED', 'local'],
  ['SD_NO_INSTANCE', 'local'],
  ['SD_REJECTED', 'local'],
  ['SD_UNSUPPORTED', 'local'],
  ['SD_LISTENER_FAILED', 'local'],
  ['SD_MONITOR_FAILED', 'local'],
  ['SD_UNAVAILABLE', 'network'],
])

/**
 * Returns the origin of an error: what an `SdError` carries, otherwise what its code implies. An `AbortError`, with which
 * `fetch` and others reject when their signal aborts, belongs to the caller; any other error belongs to the peer.
 */
export function originOf(error: unknown): OutcomeOrigin {
  try {
    if (error instanceof SdError) return error.origin ?? origins.get(error.code) ?? 'peer'
    return error instanceof Error && error.name === 'AbortError' ? 'caller' : 'peer'
  } catch {
    // A proxy can throw on property access.
    return 'peer'
  }
}

/**
 * Judges an outcome. Breakers, outlier detection, endpoint latency, hedging, adaptive limits and retries all use this
 * function, so they never disagree.
 *
 * Without an error `ok` decides. An error of the network or the peer is a failure. An error of the caller or of this
 * process says nothing. But if a response came first, for example one that the caller did not read to the end, its status
 * decides.
 */
export function judgeOutcome({ ok, status, error, origin }: Outcome): OutcomeVerdict {
  if (error === undefined) return ok ? 'success' : 'failure'
  if (isPeerOrigin(origin ?? originOf(error))) return ok ? 'success' : 'failure'
  if (status === undefined) return 'neutral'
  return status < 500 ? 'success' : 'failure'
}

/**
 * Whether an attempt with this error may be retried at all: not if the caller or this process caused the error. Policies
 * decide whether it should be.
 */
export function isRepeatable(error: unknown): boolean {
  return isPeerOrigin(originOf(error))
}

function isPeerOrigin(origin: OutcomeOrigin): boolean {
  return origin === 'peer' || origin === 'network'
}

/** Evidence for judging an exceeded deadline. */
export interface DeadlineEvidence {
  /** Time from send to the deadline, in milliseconds. */
  readonly elapsedMs: number
  /** Usual response time in milliseconds, such as {@link Endpoint.usualMs}; 0 if unknown. */
  readonly usualMs: number
  /** The service's own time limit, in milliseconds; 0 for none. A deadline of this length is never attributed to the caller. */
  readonly ownLimitMs: number
}

/** Usual time assumed before the first response, in milliseconds: the latency recorded for a failed attempt. */
const unknownUsualMs = 1_000

/**
 * A deadline below this is too short for a network and two event loops, in milliseconds, even if the endpoint is usually
 * fast.
 */
const shortestFairMs = 100

/**
 * Multiple of the usual time that must have passed. With a log-normal latency whose P99 is 8 medians, 1 in 10 requests
 * takes twice the mean.
 */
const fairFactor = 2

/**
 * Share of the service's own limit from which a deadline is treated as that limit: some of it passed before the request
 * was sent.
 */
const ownLimitShare = 0.9

/**
 * Decides whether the peer or the caller caused an exceeded deadline. It is the peer if it had twice its usual time and
 * at least 100 ms (1,000 ms if its usual time is unknown), or nine tenths of the service's own time limit. Otherwise it
 * is the caller, which allowed too little time. So an unknown caller that sends deadlines of a few milliseconds can't get
 * an endpoint ejected, while an endpoint that hangs is detected.
 */
export function deadlineOrigin({ elapsedMs, usualMs, ownLimitMs }: DeadlineEvidence): 'peer' | 'caller' {
  const isFair = usualMs > 0 ? elapsedMs >= shortestFairMs && isFairTime(elapsedMs, usualMs) : elapsedMs >= unknownUsualMs
  return isFair || isOwnLimit(elapsedMs, ownLimitMs) ? 'peer' : 'caller'
}

/** Whether a time is long enough to blame an endpoint that did not respond in it: twice what is usual. Both in milliseconds. */
export function isFairTime(timeMs: number, usualMs: number): boolean {
  return timeMs >= fairFactor * usualMs
}

/** Whether a time limit is that of the service itself, or nearly: nine tenths of it. Both in milliseconds; `ownLimitMs` is 0 where there is none. */
export function isOwnLimit(limitMs: number, ownLimitMs: number): boolean {
  return ownLimitMs > 0 && limitMs >= ownLimitShare * ownLimitMs
}

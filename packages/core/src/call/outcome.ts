import { type OutcomeOrigin, SdError, type SdErrorCode } from '../errors.ts'

/** How one attempt, or one call, ended. What it says of the endpoint or service is decided by {@link judgeOutcome}. */
export interface Outcome {
  /** Whether it ended without an error and, where there is a status, with one below 500 unless the caller says otherwise. */
  readonly ok: boolean
  /** From send to response headers, in milliseconds; absent if none came. */
  readonly latencyMs?: number | undefined
  /** Status of the response, if there was one. */
  readonly status?: number | undefined
  /** How it failed, if it did. */
  readonly error?: unknown
  /** Whose doing the error was, where more is known than the error itself says. @default {@link originOf} of the error */
  readonly origin?: OutcomeOrigin | undefined
  /** When the attempt began, by `performance.now()`; absent if that is not known. */
  readonly startedAt?: number | undefined
  /** Whether any part of the request was handed to a connection. @default true */
  readonly sent?: boolean | undefined
  /** How long the instance asks to be left alone, in milliseconds: `Retry-After` of a 429 or 503, or a gRPC pushback. */
  readonly retryAfterMs?: number | undefined
}

/** What a response says of the instance where its HTTP status does not say it, such as one of gRPC, whose status is in the trailers. */
export interface ResponseVerdict extends Pick<Outcome, 'ok' | 'retryAfterMs'> {
  /** Status that policies and telemetry see. @default that of the response */
  readonly status?: number | undefined
  /** Status code of gRPC, where it is one. */
  readonly grpcStatus?: number | undefined
}

/**
 * What an outcome says of the endpoint or service: it did its work, it failed, or nothing at all. `neutral` outcomes are not counted,
 * not repeated, and teach no latency.
 */
export type OutcomeVerdict = 'success' | 'failure' | 'neutral'

/**
 * Codes that have an origin other than `peer`. `SD_DEADLINE_EXCEEDED` is the caller's unless more is known, see {@link deadlineOrigin}:
 * any caller can set a deadline that nobody can meet.
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
 * Whose doing an error was: what an `SdError` says, else what its code implies. An `AbortError`, with which `fetch` and others reject when
 * their signal fires, is the caller's; any other error is the peer's.
 */
export function originOf(error: unknown): OutcomeOrigin {
  try {
    if (error instanceof SdError) return error.origin ?? origins.get(error.code) ?? 'peer'
    return error instanceof Error && error.name === 'AbortError' ? 'caller' : 'peer'
  } catch {
    // A proxy may refuse to be read.
    return 'peer'
  }
}

/**
 * Judges an outcome. Breakers, outlier detection, an endpoint's latency, hedging, adaptive limits and retries all ask here, so that no
 * two of them disagree.
 *
 * Without an error `ok` decides. An error of the network or the peer is a failure. An error of the caller or of this process says nothing;
 * but if a response came before it, such as one that the caller read no further, its status decides.
 */
export function judgeOutcome({ ok, status, error, origin }: Outcome): OutcomeVerdict {
  if (error === undefined) return ok ? 'success' : 'failure'
  if (isPeerOrigin(origin ?? originOf(error))) return ok ? 'success' : 'failure'
  if (status === undefined) return 'neutral'
  return status < 500 ? 'success' : 'failure'
}

/** Whether an error may be repeated at all: not if the caller or this process made it. Whether it should be is for policies to say. */
export function isRepeatable(error: unknown): boolean {
  return isPeerOrigin(originOf(error))
}

function isPeerOrigin(origin: OutcomeOrigin): boolean {
  return origin === 'peer' || origin === 'network'
}

/** By what an exceeded deadline is judged. */
export interface DeadlineEvidence {
  /** How long the endpoint or service had, in milliseconds: from send until the deadline. */
  readonly elapsedMs: number
  /** How long it usually takes to answer, in milliseconds, such as {@link Endpoint.usualMs}; 0 if that is not known. */
  readonly usualMs: number
  /** The service's own time limit, in milliseconds; 0 for none. A deadline that is as long is never the caller's fault. */
  readonly ownLimitMs: number
}

/** What is usual where no response was seen yet, in milliseconds: as long as a failed attempt counts as. */
const unknownUsualMs = 1_000

/** A deadline below this is too short for a network and two event loops, in milliseconds, however fast the endpoint usually is. */
const shortestFairMs = 100

/** How many times the usual time must have passed: of a log-normal latency with a P99 of 8 medians 1 in 10 takes twice the mean. */
const fairFactor = 2

/** Share of the service's own limit from which a deadline is that limit: some of it went by before the request was sent. */
const ownLimitShare = 0.9

/**
 * Whose doing an exceeded deadline was. It is the peer's if it had twice its usual time and at least 100 ms, or 1,000 ms where nothing is
 * known of it, or nine tenths of the service's own time limit. Otherwise it is the caller's, who gave it too little time: a stranger who
 * sends a deadline of a few milliseconds can't have an endpoint taken out, and an endpoint that hangs is noticed.
 */
export function deadlineOrigin({ elapsedMs, usualMs, ownLimitMs }: DeadlineEvidence): 'peer' | 'caller' {
  const fairMs = usualMs > 0 ? Math.max(shortestFairMs, fairFactor * usualMs) : unknownUsualMs
  return elapsedMs >= fairMs || (ownLimitMs > 0 && elapsedMs >= ownLimitShare * ownLimitMs) ? 'peer' : 'caller'
}

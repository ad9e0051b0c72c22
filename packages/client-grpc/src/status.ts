import type { Outcome, OutcomeOrigin, SdError } from '@sd/core'
import { grpcError, judgeGrpcStatus } from '@sd/grpc-status'
import { describeStatus, statusCodes } from './status-codes.ts'

/** The outcome of a gRPC call: it never fails with anything but an {@link SdError}. */
export interface CallOutcome extends Outcome {
  /** The error, if there was no response. */
  readonly error?: SdError | undefined
}

/** Facts about a call in addition to its status. */
export interface StatusEvidence {
  /** Time to the head of the response, in milliseconds, if it is known. */
  readonly latencyMs?: number | undefined
  /** Origin of an exceeded deadline. @default the caller */
  readonly deadlineBy?: OutcomeOrigin | undefined
  /** The pushback of the trailers, if known. */
  readonly pushback?: string | undefined
}

/** CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE: grpc-js creates them more often than peers do, and does not distinguish. */
const withoutResponse: ReadonlySet<number> = new Set([
  statusCodes.cancelled,
  statusCodes.deadlineExceeded,
  statusCodes.unavailable,
])

/**
 * The meaning of a gRPC status for the host: UNKNOWN, INTERNAL, UNAVAILABLE and DATA_LOSS are failures, and
 * DEADLINE_EXCEEDED if its origin is the peer; CANCELLED counts neither way.
 */
export function toOutcome(service: string, code: number, details: string, evidence: StatusEvidence = {}): CallOutcome {
  const { latencyMs, deadlineBy, pushback } = evidence
  const { ok, status, retryAfterMs } = judgeGrpcStatus(code, { 'grpc-retry-pushback-ms': pushback })
  const asked = retryAfterMs !== undefined && { retryAfterMs }
  if (!withoutResponse.has(code)) return { ok, status, latencyMs, ...asked }
  const origin = code === statusCodes.deadlineExceeded ? deadlineBy : undefined
  const message = `Calling ${service} failed: ${describeStatus({ code, details })}`
  return { ok: false, error: grpcError(code, message, { ...(origin && { origin }) }), ...asked }
}

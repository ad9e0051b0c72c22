import { grpcError, grpcStatusName, judgeGrpcStatus, type Outcome, type OutcomeOrigin, type SdError } from '@sd/core'

/** The outcome of a gRPC call: it never fails with anything but an {@link SdError}. */
export interface CallOutcome extends Outcome {
  /** How the call failed, if there was no answer. */
  readonly error?: SdError | undefined
}

/** What is known of a call beside its status. */
export interface StatusEvidence {
  /** Time to the head of the answer, in milliseconds, if it is known. */
  readonly latencyMs?: number | undefined
  /** Whose doing it is if the deadline is over. @default the caller's */
  readonly deadlineBy?: OutcomeOrigin | undefined
  /** The pushback of the trailers, where they are known. */
  readonly pushback?: string | undefined
}

/** CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE: grpc-js says them more often than peers do, and tells no difference. */
const unanswered: ReadonlySet<number> = new Set([1, 4, 14])

/**
 * What a gRPC status says of the host: UNKNOWN, INTERNAL, UNAVAILABLE and DATA_LOSS are failures, and DEADLINE_EXCEEDED if it is the
 * peer's; CANCELLED says nothing.
 */
export function toOutcome(service: string, code: number, details: string, evidence: StatusEvidence = {}): CallOutcome {
  const { latencyMs, deadlineBy, pushback } = evidence
  const { ok, status, retryAfterMs } = judgeGrpcStatus(code, { 'grpc-retry-pushback-ms': pushback })
  const asked = retryAfterMs !== undefined && { retryAfterMs }
  if (!unanswered.has(code)) return { ok, status, latencyMs, ...asked }
  const origin = code === 4 ? deadlineBy : undefined
  const message = `Calling ${service} failed: ${grpcStatusName(code)}${details && `: ${details}`}`
  return { ok: false, error: grpcError(code, message, { ...(origin && { origin }) }), ...asked }
}

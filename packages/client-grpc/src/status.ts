import { type Outcome, type OutcomeOrigin, SdError, type SdErrorCode } from '@sd/core'

/**
 * Names of the gRPC status codes, by code, and what each counts as. A code that says that there was no answer is an error. The others
 * are answers, with the HTTP status of `google/rpc/code.proto`; but UNIMPLEMENTED tells of the method and not of the host, so it is
 * 404, for which gRPC has no other code, instead of 501.
 */
const statuses: readonly (readonly [name: string, meaning: number | SdErrorCode])[] = [
  ['OK', 200],
  ['CANCELLED', 'SD_ABORTED'],
  ['UNKNOWN', 500],
  ['INVALID_ARGUMENT', 400],
  ['DEADLINE_EXCEEDED', 'SD_DEADLINE_EXCEEDED'],
  ['NOT_FOUND', 404],
  ['ALREADY_EXISTS', 409],
  ['PERMISSION_DENIED', 403],
  ['RESOURCE_EXHAUSTED', 429],
  ['FAILED_PRECONDITION', 400],
  ['ABORTED', 409],
  ['OUT_OF_RANGE', 400],
  ['UNIMPLEMENTED', 404],
  ['INTERNAL', 500],
  ['UNAVAILABLE', 'SD_UNAVAILABLE'],
  ['DATA_LOSS', 500],
  ['UNAUTHENTICATED', 401],
]

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
}

/**
 * What a gRPC status says of the host: UNKNOWN, INTERNAL, UNAVAILABLE and DATA_LOSS are failures, and DEADLINE_EXCEEDED if it is the
 * peer's; CANCELLED says nothing.
 */
export function toOutcome(service: string, code: number, details: string, evidence: StatusEvidence = {}): CallOutcome {
  const { latencyMs, deadlineBy } = evidence
  const [name, meaning] = statuses[code] ?? [`status ${code}`, 500]
  if (typeof meaning === 'number') return { ok: meaning < 500, status: meaning, latencyMs }
  const origin = meaning === 'SD_DEADLINE_EXCEEDED' ? deadlineBy : undefined
  const error = new SdError(meaning, `Calling ${service} failed: ${name}${details && `: ${details}`}`, {
    ...(origin && { origin }),
  })
  return { ok: false, error }
}

import {
  type HeaderFields,
  type OutcomeOrigin,
  type ResponseVerdict,
  readServerDelay,
  SdError,
  type SdErrorCode,
  type SdErrorOptions,
} from '@sd/core'

/** Meaning of a status that this side created, as opposed to one from the peer's trailers. */
type OwnMeaning = readonly [code: SdErrorCode, origin?: OutcomeOrigin]

const mistake: OwnMeaning = ['SD_INVALID']
const denied: OwnMeaning = ['SD_DENIED', 'caller']

/**
 * The gRPC status codes, in order. A status from the peer is a response: the HTTP status here is that of
 * `google/rpc/code.proto`, and it is a failure from 500 on. A status that a gRPC library creates is not a response; its
 * error has an origin.
 */
const statuses: readonly (readonly [name: string, httpStatus: number, own: OwnMeaning])[] = [
  ['OK', 200, mistake],
  ['CANCELLED', 499, ['SD_ABORTED']],
  ['UNKNOWN', 500, ['SD_UNAVAILABLE', 'peer']],
  ['INVALID_ARGUMENT', 400, mistake],
  ['DEADLINE_EXCEEDED', 504, ['SD_DEADLINE_EXCEEDED']],
  ['NOT_FOUND', 404, mistake],
  ['ALREADY_EXISTS', 409, mistake],
  ['PERMISSION_DENIED', 403, denied],
  ['RESOURCE_EXHAUSTED', 429, ['SD_TOO_LARGE']],
  ['FAILED_PRECONDITION', 400, mistake],
  ['ABORTED', 409, mistake],
  ['OUT_OF_RANGE', 400, mistake],
  ['UNIMPLEMENTED', 501, ['SD_UNSUPPORTED']],
  ['INTERNAL', 500, ['SD_UNAVAILABLE', 'peer']],
  ['UNAVAILABLE', 503, ['SD_UNAVAILABLE']],
  ['DATA_LOSS', 500, ['SD_MALFORMED']],
  ['UNAUTHENTICATED', 401, denied],
]

const unknown = 2
const unimplemented = 12
const unavailable = 14

/** The status that a gRPC caller receives for an error; other codes become UNKNOWN. */
const statusOfError: ReadonlyMap<SdErrorCode, number> = new Map<SdErrorCode, number>([
  ['SD_ABORTED', 1],
  ['SD_TIMEOUT', 4],
  ['SD_DEADLINE_EXCEEDED', 4],
  ['SD_NOT_FOUND', 5],
  ['SD_DENIED', 7],
  ['SD_TOO_LARGE', 8],
  ['SD_UNSUPPORTED', 12],
  ['SD_INVALID', 13],
  ['SD_NO_INSTANCE', unavailable],
  ['SD_REJECTED', unavailable],
  ['SD_UNAVAILABLE', unavailable],
  ['SD_CLOSED', unavailable],
])

/**
 * The status that a gRPC caller receives for an HTTP status, by
 * https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 */
const statusOfHttp: ReadonlyMap<number, number> = new Map([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, unavailable],
  [502, unavailable],
  [503, unavailable],
  [504, unavailable],
])

/** Returns the name of a gRPC status code, such as `UNAVAILABLE`; `status 99` for an unknown code. */
export function grpcStatusName(code: number): string {
  return statuses[code]?.[0] ?? `status ${code}`
}

/** Returns the HTTP status for a gRPC status code, by `google/rpc/code.proto`; 500 for an unknown code. */
export function httpStatusOfGrpc(code: number): number {
  return statuses[code]?.[1] ?? 500
}

/**
 * Judges a peer by the gRPC status it returned. An unknown code is a failure. @param headers the trailers: a pushback is
 * respected with RESOURCE_EXHAUSTED and UNAVAILABLE
 */
export function judgeGrpcStatus(code: number, headers: HeaderFields = {}): ResponseVerdict {
  // UNIMPLEMENTED describes the method and not the host: gRPC has no other code for a method that is not found.
  const status = code === unimplemented ? 404 : httpStatusOfGrpc(code)
  const asked = status === 429 || status === 503 ? readServerDelay(headers) : undefined
  const retryAfterMs = asked !== undefined && asked >= 0 ? asked : undefined
  return { ok: status < 500, status, grpcStatus: code, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

/** Creates the error for a status that a gRPC library created, such as UNAVAILABLE for a broken connection. */
export function grpcError(code: number, message: string, options: SdErrorOptions = {}): SdError {
  const [sdCode, origin] = statuses[code]?.[2] ?? ['SD_UNAVAILABLE', 'peer']
  return new SdError(sdCode, message, { ...(origin && { origin }), ...options })
}

/** Returns the gRPC status code for an error. */
export function grpcStatusOf(error: SdError): number {
  return statusOfError.get(error.code) ?? unknown
}

/** Returns the gRPC status code for a response without one: from a proxy, or from a fallback. */
export function grpcStatusOfHttp(status: number): number {
  return status >= 200 && status < 300 ? 0 : (statusOfHttp.get(status) ?? unknown)
}

/**
 * Judges an instance by a gRPC response that has ended; use it as `judge` of `client.forward`. The status is in the
 * trailers, or in the head if there is nothing else (Trailers-Only).
 *
 * @param rawTrailers alternating names and values
 */
export function judgeGrpcResponse(
  { status, headers }: { readonly status: number; readonly headers: HeaderFields },
  rawTrailers: readonly string[],
): ResponseVerdict {
  const trailers: Record<string, string> = {}
  for (let index = 0; index < rawTrailers.length; index += 2) {
    trailers[(rawTrailers[index] as string).toLowerCase()] = rawTrailers[index + 1] as string
  }
  const fields = trailers['grpc-status'] === undefined ? headers : trailers
  const grpcStatus = fields['grpc-status']
  if (typeof grpcStatus === 'string' && /^\d{1,3}$/.test(grpcStatus)) return judgeGrpcStatus(Number(grpcStatus), fields)
  // A proxy responded, or the stream ended without a status.
  return status === 200 ? judgeGrpcStatus(unknown) : { ok: status < 500 }
}

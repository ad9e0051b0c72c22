import {
  type HeaderFields,
  type OutcomeOrigin,
  type ResponseVerdict,
  readServerDelay,
  SdError,
  type SdErrorCode,
  type SdErrorOptions,
} from '@sd/core'

/** What a status is if this side made it, instead of a peer that told it in its trailers. */
type OwnMeaning = readonly [code: SdErrorCode, origin?: OutcomeOrigin]

const mistake: OwnMeaning = ['SD_INVALID']
const denied: OwnMeaning = ['SD_DENIED', 'caller']

/**
 * The status codes of gRPC, by code. A peer that tells a status has answered: the HTTP status that stands here is that of
 * `google/rpc/code.proto`, and it fails from 500 on; but UNIMPLEMENTED tells of the method and not of the host, so it is 404, for which gRPC
 * has no other code, instead of 501. What a library of gRPC says by itself is no answer, and its error says whose doing it was.
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
  ['UNIMPLEMENTED', 404, ['SD_UNSUPPORTED']],
  ['INTERNAL', 500, ['SD_UNAVAILABLE', 'peer']],
  ['UNAVAILABLE', 503, ['SD_UNAVAILABLE']],
  ['DATA_LOSS', 500, ['SD_MALFORMED']],
  ['UNAUTHENTICATED', 401, denied],
]

const unknown = 2
const unavailable = 14

/** The status that a caller over gRPC is told of an error; what isn't here is UNKNOWN. */
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

/** The status that a caller over gRPC is told of an HTTP status, by https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
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

/** Name of a status code of gRPC, such as `UNAVAILABLE`; `status 99` for one that has none. */
export function grpcStatusName(code: number): string {
  return statuses[code]?.[0] ?? `status ${code}`
}

/** What a status that a peer told says of it. A code that gRPC does not have fails. @param headers of the trailers: a pushback is heeded with RESOURCE_EXHAUSTED and UNAVAILABLE */
export function judgeGrpcStatus(code: number, headers: HeaderFields = {}): ResponseVerdict {
  const status = statuses[code]?.[1] ?? 500
  const asked = status === 429 || status === 503 ? readServerDelay(headers) : undefined
  const retryAfterMs = asked !== undefined && asked >= 0 ? asked : undefined
  return { ok: status < 500, status, grpcStatus: code, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

/** The error of a status that a library of gRPC made by itself, such as UNAVAILABLE for a connection that broke. */
export function grpcError(code: number, message: string, options: SdErrorOptions = {}): SdError {
  const [sdCode, origin] = statuses[code]?.[2] ?? ['SD_UNAVAILABLE', 'peer']
  return new SdError(sdCode, message, { ...(origin && { origin }), ...options })
}

/** The status code of gRPC that tells a caller of an error. */
export function grpcStatusOf(error: SdError): number {
  return statusOfError.get(error.code) ?? unknown
}

/** The status code of gRPC that tells a caller of a response without any: of a proxy, or of a fallback. */
export function grpcStatusOfHttp(status: number): number {
  return status >= 200 && status < 300 ? 0 : (statusOfHttp.get(status) ?? unknown)
}

/**
 * What a response of gRPC says of the instance, once it has ended: for `judge` of `client.forward`. Its status is in the trailers, or in the
 * head where there is nothing else (Trailers-Only).
 *
 * @param rawTrailers names and values in turn
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
  const told = fields['grpc-status']
  if (typeof told === 'string' && /^\d{1,3}$/.test(told)) return judgeGrpcStatus(Number(told), fields)
  // A proxy answered, or a stream that ended without a status.
  return status === 200 ? judgeGrpcStatus(unknown) : { ok: status < 500 }
}

import { readServerDelay, SdError, type SdErrorCode } from '@sd/core'
import { isTooLargeForEtcd } from './server-texts.ts'

/** A `Status` object of the API; all fields are optional. */
interface ApiStatus {
  readonly message?: unknown
  readonly details?: {
    readonly kind?: unknown
    readonly causes?: readonly { readonly reason?: unknown; readonly field?: unknown }[]
  }
}

/** Code for a watch from a version that the API server no longer has; never leaves this package. */
export const EXPIRED = 'X_KUBERNETES_EXPIRED'

/** Code of a refused login before it is tried again; never leaves this package. */
export const LOGIN_REFUSED = 'X_KUBERNETES_LOGIN_REFUSED'

const codes: Readonly<Record<number, SdErrorCode>> = {
  400: 'SD_INVALID',
  401: LOGIN_REFUSED,
  403: 'SD_DENIED',
  404: 'SD_NOT_FOUND',
  405: 'SD_UNSUPPORTED',
  409: 'SD_CONFLICT',
  413: 'SD_TOO_LARGE',
  415: 'SD_UNSUPPORTED',
  422: 'SD_INVALID',
}

/** Codes for a missing or late response. */
const transportCodes = /^(?:E[A-Z]+|UND_ERR_[A-Z_]+|[A-Z_]*CERT[A-Z_]*|UNABLE_TO_[A-Z_]+|ERR_(?:SSL|TLS)_[A-Z0-9_]+)$/

/**
 * Converts a response with a failure status.
 *
 * @param text its body, a `Status` as JSON if the API itself responded
 * @param headers its headers, which may contain a retry delay
 */
export function toStatusError(
  status: number,
  text: string,
  what: string,
  headers: Parameters<typeof readServerDelay>[0] = {},
): SdError {
  const { message, details } = readStatus(text)
  const reason = typeof message === 'string' ? message.slice(0, 400) : `status ${status}`
  const isTooLong = details?.causes?.some((cause) => cause.reason === 'FieldValueTooLong') || isTooLargeForEtcd(status, message)
  const code = isTooLong ? 'SD_TOO_LARGE' : (codes[status] ?? 'SD_UNAVAILABLE')
  const retryAfterMs = Math.max(0, readServerDelay(headers) ?? 0)
  // The API names the namespace itself, for any requested object in it.
  const isNamespace = status === 404 && details?.kind === 'namespaces'
  const field = isNamespace ? 'namespace' : details?.causes?.find((cause) => typeof cause.field === 'string')?.field
  return new SdError(code, `${what}: ${status === 401 ? 'the login was refused' : reason}`, {
    ...(retryAfterMs > 0 && { retryAfterMs }),
    ...(typeof field === 'string' && { field }),
  })
}

/** The version from which a watch should continue is no longer available. */
export function expired(what: string): SdError {
  return new SdError(EXPIRED, `${what}: the version has expired`)
}

/**
 * Converts an exception of the library. Its messages can contain a part of a kubeconfig or of a program's output, so
 * only known parts are shown.
 */
export function toKubernetesError(caught: unknown, what: string): SdError {
  if (caught instanceof SdError) return caught
  const { statusCode } = caught as { statusCode?: unknown }
  if (typeof statusCode === 'number') return toStatusError(statusCode, '', what)
  const reason = findReason(caught)
  return new SdError('SD_UNAVAILABLE', `${what}: ${reason}`, { cause: caught })
}

function readStatus(text: string): ApiStatus {
  try {
    const status: unknown = JSON.parse(text)
    return typeof status === 'object' && status !== null ? status : {}
  } catch {
    return {}
  }
}

function findReason(caught: unknown): string {
  let reason = 'the login or the request failed'
  for (let error: unknown = caught, depth = 0; error instanceof Error && depth < 4; error = error.cause, depth++) {
    const { code } = error as { code?: unknown }
    if (typeof code === 'string' && transportCodes.test(code)) return error.message === '' ? code : `${error.message} (${code})`
    if (error.name === 'TimeoutError' || error.name === 'AbortError') reason = 'no response in time'
  }
  return reason
}

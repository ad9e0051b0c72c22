import { type Outcome, SdError, type SdErrorCode } from '@sd/core'

/** Errors that the caller makes itself: they say nothing of the host. */
const ownErrors: ReadonlySet<SdErrorCode> = new Set<SdErrorCode>([
  'SD_ABORTED',
  'SD_REJECTED',
  'SD_INVALID',
  'SD_CLOSED',
  'SD_TOO_LARGE',
])

const gatewayErrors: ReadonlySet<number> = new Set([502, 503, 504])

function isOwnError(error: unknown): boolean {
  if (SdError.isInstance(error)) return ownErrors.has(error.code)
  // What `fetch` and others reject with when their signal fires.
  return error instanceof Error && error.name === 'AbortError'
}

/** Whether an outcome says nothing of the host: the caller gave up before there was an answer. */
export function isNeutral({ error, status }: Outcome): boolean {
  return status === undefined && isOwnError(error)
}

/** Whether an outcome speaks against the host. An answer that the caller read no further counts by its status. */
export function isError({ ok, status, error }: Outcome): boolean {
  return isOwnError(error) ? status !== undefined && status >= 500 : !ok
}

/** Whether an error is one of a gateway, or came without an answer: a failed connection, a timeout (Envoy takes them for 503 and 504). */
export function isGatewayError({ status }: Outcome): boolean {
  return status === undefined || gatewayErrors.has(status)
}

import { SdError } from '@sd/core'

/**
 * The error with which `fetch` rejects: the reason of the signal if that is not the default one, `AbortError`,
 * `TimeoutError`, otherwise a `TypeError`. The `SdError` is the cause.
 */
export function toFetchError(error: unknown, signal: AbortSignal | null | undefined): unknown {
  if (!(error instanceof SdError)) return error
  if (signal?.aborted && error.code === 'SD_ABORTED') {
    const reason: unknown = signal.reason
    const isDefault = reason instanceof DOMException && (reason.name === 'AbortError' || reason.name === 'TimeoutError')
    return isDefault ? new DOMException(reason.message, { name: reason.name, cause: error }) : reason
  }
  if (error.code === 'SD_ABORTED') return new DOMException(error.message, { name: 'AbortError', cause: error })
  if (error.code === 'SD_DEADLINE_EXCEEDED' || error.code === 'SD_TIMEOUT') {
    return new DOMException(error.message, { name: 'TimeoutError', cause: error })
  }
  return new TypeError('fetch failed', { cause: error })
}

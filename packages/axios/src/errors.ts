import { SdError } from '@sd/core'
import { AxiosError, type InternalAxiosRequestConfig } from 'axios'

/** Codes of axios for those of the client. Others are `ERR_NETWORK`: there was no response. */
const codes: Readonly<Partial<Record<string, string>>> = {
  SD_INVALID: AxiosError.ERR_BAD_REQUEST,
  SD_MALFORMED: AxiosError.ERR_BAD_RESPONSE,
  SD_TOO_LARGE: AxiosError.ERR_BAD_RESPONSE,
  SD_UNSUPPORTED: AxiosError.ERR_NOT_SUPPORT,
}

/**
 * The error with which a request rejects: an error of axios, with its code, the configuration of the request, and the
 * `SdError` as its cause.
 *
 * @param failure the error with which the call itself failed
 */
export function toServiceError(error: unknown, config: InternalAxiosRequestConfig, failure: SdError | undefined): unknown {
  if (!(error instanceof AxiosError)) return error
  error.config = config
  if (error.response) error.response.config = config
  const cause = error.cause instanceof SdError ? error.cause : error.code === AxiosError.ERR_BAD_RESPONSE ? failure : undefined
  if (!cause) return error
  Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true, enumerable: false })
  error.name = 'AxiosError'
  if (cause.code === 'SD_DEADLINE_EXCEEDED' || cause.code === 'SD_TIMEOUT') {
    const { transitional, timeout, timeoutErrorMessage } = config
    error.code = transitional?.clarifyTimeoutError ? AxiosError.ETIMEDOUT : AxiosError.ECONNABORTED
    if (timeoutErrorMessage) error.message = timeoutErrorMessage
    else if (timeout) error.message = `timeout of ${timeout}ms exceeded`
  } else if (error.response) error.code = AxiosError.ERR_BAD_RESPONSE
  else error.code = codes[cause.code] ?? systemCode(cause) ?? AxiosError.ERR_NETWORK
  return error
}

/** The system's error code, such as `ECONNREFUSED`, which axios reports too. */
function systemCode(error: unknown): string | undefined {
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown }
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) return code
  if (code === 'UND_ERR_SOCKET') return 'ECONNRESET'
  return cause instanceof Error ? systemCode(cause) : undefined
}

import { SdError } from '@sd/core'

/** Codes of RST_STREAM (RFC 9113, 7). */
export const noError = 0
export const refusedStream = 7
export const cancel = 8

/** Names of the codes of RST_STREAM and GOAWAY (RFC 9113, 7), by code. */
const names: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
]

/** Why a stream ended early. @param isTruncated whether its body does not have the promised length */
export function closeError(code: number, hasHead: boolean, isTruncated: boolean): SdError {
  const when = hasHead ? 'in the middle of the response' : 'before a response'
  if (code === noError && isTruncated) return new SdError('SD_MALFORMED', 'The response body does not fit its content-length')
  const what = code === noError ? 'The stream ended' : `The stream was reset with ${names[code] ?? code}`
  return new SdError('SD_UNAVAILABLE', `${what} ${when}`, { origin: code === noError ? 'network' : 'peer' })
}

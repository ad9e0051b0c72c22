import { SdError, type SdErrorCode, toSdError } from '@sd/core'
import type { NacosResponse } from './nacos-http.ts'

/** HTTP statuses of a path that the server does not have, or no longer. */
const missing: ReadonlySet<number> = new Set([404, 405, 410, 501])

/** The error that a response stands for; `undefined` if it is a success. */
export function readError(name: string, { status, text }: Pick<NacosResponse, 'status' | 'text'>): SdError | undefined {
  if (status >= 200 && status < 300) return undefined
  return new SdError(codeOf(status, text), `${name} answered ${status}: ${shorten(text)}`)
}

function codeOf(status: number, text: string): SdErrorCode {
  if (status === 401 || status === 403) return 'SD_DENIED'
  if (status === 413 || status === 414 || status === 431) return 'SD_TOO_LARGE'
  if (missing.has(status)) return 'SD_UNSUPPORTED'
  // Nacos says with words which of the two it is.
  if (status === 400) return /length should not exceed/i.test(text) ? 'SD_TOO_LARGE' : 'SD_INVALID'
  return 'SD_UNAVAILABLE'
}

/** What a failed exchange means: the server can't be reached, unless it is an error of ours already. */
export function explain(name: string, caught: unknown): SdError {
  return toSdError(caught, 'SD_UNAVAILABLE', `${name} can't be reached`)
}

/** A server's text on one line, cut to what a message needs. */
function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}

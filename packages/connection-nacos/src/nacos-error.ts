import { readServerDelay, SdError, type SdErrorCode, toSdError } from '@sd/core'
import type { NacosRequest, NacosResponse } from './nacos-http.ts'
import { isTooLong, missedParameter } from './server-texts.ts'

/** HTTP statuses for a path that the server does not have. */
const missing: ReadonlySet<number> = new Set([404, 405, 410, 501])

/** Returns the error for a response, or `undefined` for success. */
export function readError(
  name: string,
  { status, text, headers = {} }: Pick<NacosResponse, 'status' | 'text'> & Partial<Pick<NacosResponse, 'headers'>>,
  params: NacosRequest['params'] = {},
): SdError | undefined {
  if (status >= 200 && status < 300) return undefined
  const retryAfterMs = Math.max(0, readServerDelay(headers) ?? 0)
  const code = codeOf(status, text, params)
  const way = code === 'SD_DENIED' ? ` (${wayOut(status, params)})` : ''
  return new SdError(code, `${name} responded ${status}: ${shorten(text)}${way}`, {
    ...(retryAfterMs > 0 && { retryAfterMs }),
  })
}

/** Returns a hint for a refused user. Nacos names neither the permission nor the resource. */
function wayOut(status: number, { namespaceId, tenant = namespaceId }: NacosRequest['params']): string {
  return status === 401 ? 'the login is invalid: check credentials' : wantedPermission(tenant)
}

/** Returns what a user needs on a namespace. */
export function wantedPermission(namespace: string | undefined): string {
  return `set credentials of a user with a role that has the permission rw on the namespace "${namespace || 'public'}"`
}

function codeOf(status: number, text: string, params: NacosRequest['params']): SdErrorCode {
  if (status === 401 || status === 403) return 'SD_DENIED'
  if (status === 413 || status === 414 || status === 431) return 'SD_TOO_LARGE'
  if (missing.has(status)) return 'SD_UNSUPPORTED'
  if (isDropped(text, params) || isTooLong({ status, text })) return 'SD_TOO_LARGE'
  if (status === 400) return 'SD_INVALID'
  return 'SD_UNAVAILABLE'
}

/**
 * Whether the server dropped the parameters, as it does with a form of more than 2 MiB: 3.0 responds with status 400,
 * 2.5 with 500.
 */
function isDropped(text: string, params: NacosRequest['params']): boolean {
  const missed = missedParameter({ text })
  return missed !== undefined && Boolean(params[missed]?.trim())
}

/** Converts the error of a failed exchange: the server is unreachable, unless the error is already an `SdError`. */
export function toNacosError(name: string, caught: unknown): SdError {
  return toSdError(caught, 'SD_UNAVAILABLE', `${name} can't be reached`)
}

/** Returns a server's text on one line, shortened for a message. */
function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}

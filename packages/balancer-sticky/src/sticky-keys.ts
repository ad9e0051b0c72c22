import { type CallPickRequest, checkName, type HeaderFields } from '@sd/core'

/** Returns the session of a request. */
export interface StickyKey {
  /**
   * @returns the session; `undefined` or empty if there is none. Runs at each pick: it must be fast and synchronous, and
   *   must not throw.
   */
  (request: CallPickRequest): string | undefined
  /**
   * Returns the session that a response starts, for example by a cookie. Its requests go to the endpoint that sent the
   * response, which knows the session. Without it, responses start no sessions.
   */
  readonly ofResponse?: (headers: HeaderFields) => string | undefined
}

/** Uses the request's `hashKey`. */
export const hashKeyOf: StickyKey = ({ hashKey }) => hashKey

/**
 * Uses the value of a header field of the request, or of a response that starts a session with it, such as `mcp-session-id`.
 *
 * @throws SdError `SD_INVALID` for an invalid name
 */
export function headerKey(name: string): StickyKey {
  const field = checkName('name', name).toLowerCase()
  return Object.assign(({ headers }: CallPickRequest) => headers?.[field], {
    ofResponse(headers: HeaderFields) {
      const value = headers[field]
      return typeof value === 'string' ? value : value?.[0]
    },
  })
}

/**
 * Uses the value of a cookie in the `cookie` header field, the first non-empty one if there are several, or in the
 * `set-cookie` of a response that starts a session with it.
 *
 * @throws SdError `SD_INVALID` for an invalid name
 */
export function cookieKey(name: string): StickyKey {
  const start = `${checkName('name', name)}=`
  return Object.assign(({ headers }: CallPickRequest) => findCookie(headers?.['cookie'], start), {
    ofResponse: (headers: HeaderFields) => findSetCookie(headers['set-cookie'], start),
  })
}

/** Searches the pairs of a cookie field (RFC 6265, section 5.4). @param start name and equals sign */
function findCookie(cookies: string | undefined, start: string): string | undefined {
  if (cookies === undefined) return undefined
  for (let position = 0; position < cookies.length; ) {
    while (cookies[position] === ' ') position++
    const semicolon = cookies.indexOf(';', position)
    const end = semicolon < 0 ? cookies.length : semicolon
    const value = cookies.startsWith(start, position) ? cookies.slice(position + start.length, end).trim() : ''
    if (value !== '') return value
    position = end + 1
  }
  return undefined
}

/** Returns the last cookie of this name, as a browser does; `undefined` if it removes the cookie (RFC 6265, 5.2 and 5.3). */
function findSetCookie(fields: string | readonly string[] | undefined, start: string): string | undefined {
  if (fields === undefined) return undefined
  const last = (typeof fields === 'string' ? [fields] : fields).findLast((one) => one.trimStart().startsWith(start))
  if (last === undefined) return undefined
  const [pair = '', ...attributes] = last.trimStart().split(';')
  return isOver(attributes) ? undefined : pair.slice(start.length).trim()
}

function isOver(attributes: readonly string[]): boolean {
  const valueOfAttribute = (wanted: RegExp): string | undefined =>
    attributes
      .findLast((one) => wanted.test(one))
      ?.replace(wanted, '')
      .trim()
  const maxAge = valueOfAttribute(/^\s*max-age\s*=/i)
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return Number(maxAge) <= 0
  return Date.parse(valueOfAttribute(/^\s*expires\s*=/i) ?? '') <= Date.now()
}

import { type CallPickRequest, checkName, type HeaderFields } from '@sd/core'

/** Names the session of a request. */
export interface StickyKey {
  /** @returns the session; `undefined` or empty if there is none. Runs at each pick: quick, synchronous, must not throw. */
  (request: CallPickRequest): string | undefined
  /**
   * The session that a response begins, such as by a cookie: its requests go to the endpoint that began it, and knows it. Absent where
   * responses begin none.
   */
  readonly ofResponse?: (headers: HeaderFields) => string | undefined
}

/** The `hashKey` of the request. */
export const hashKeyOf: StickyKey = ({ hashKey }) => hashKey

/**
 * The value of a header field of the request, or of a response that begins a session with it, such as `mcp-session-id`.
 *
 * @throws SdError `SD_INVALID` for a name that is none
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
 * The value of a cookie in the `cookie` header field, the first that is not empty if there are several; or in the `set-cookie` of a response that begins
 * a session with it.
 *
 * @throws SdError `SD_INVALID` for a name that is none
 */
export function cookieKey(name: string): StickyKey {
  const start = `${checkName('name', name)}=`
  return Object.assign(({ headers }: CallPickRequest) => findCookie(headers?.['cookie'], start), {
    ofResponse: (headers: HeaderFields) => findSetCookie(headers['set-cookie'], start),
  })
}

/** Walks along the pairs of a cookie field, as RFC 6265 section 5.4 writes it. @param start name and equals sign */
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

/** Of several the last one, as a browser takes them; none if that takes the cookie away (RFC 6265, 5.2 and 5.3). */
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

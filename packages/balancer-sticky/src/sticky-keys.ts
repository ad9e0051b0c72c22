import { type CallPickRequest, checkName } from '@sd/core'

/** Names the session of a request; `undefined` or empty if it has none. Runs at each pick: quick, synchronous, must not throw. */
export type StickyKey = (request: CallPickRequest) => string | undefined

/** The `hashKey` of the request. */
export const hashKeyOf: StickyKey = ({ hashKey }) => hashKey

/** The value of a header field. @throws SdError `SD_INVALID` for a name that is none */
export function headerKey(name: string): StickyKey {
  const field = checkName('name', name).toLowerCase()
  return ({ headers }) => headers?.[field]
}

/** The value of a cookie in the `cookie` header field; the first one, if there are several. @throws SdError `SD_INVALID` for a name that is none */
export function cookieKey(name: string): StickyKey {
  const start = `${checkName('name', name)}=`
  return ({ headers }) => findCookie(headers?.['cookie'], start)
}

/** Walks along the pairs of a cookie field, as RFC 6265 section 5.4 writes it. @param start name and equals sign */
function findCookie(cookies: string | undefined, start: string): string | undefined {
  if (cookies === undefined) return undefined
  for (let position = 0; position < cookies.length; ) {
    while (cookies[position] === ' ') position++
    const semicolon = cookies.indexOf(';', position)
    const end = semicolon < 0 ? cookies.length : semicolon
    if (cookies.startsWith(start, position)) return cookies.slice(position + start.length, end).trim()
    position = end + 1
  }
  return undefined
}

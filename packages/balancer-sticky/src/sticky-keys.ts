import { type CallContext, checkInteger, checkKnownKeys, checkName, type PickRequest } from '@sd/core'

/** What a sticky balancer sees of a request. The client passes its whole call; a bare pick passes what it has. */
export type StickyRequest = PickRequest & Partial<Pick<CallContext, 'service' | 'method' | 'path' | 'headers'>>

/** Names the session of a request; `undefined` or empty if it has none. Runs at each pick: quick, synchronous, must not throw. */
export type StickyKey = (request: StickyRequest) => string | undefined

/** Options of {@link clientAddressKey}. */
export interface ClientAddressOptions {
  /** Header field that lists the addresses, the nearest last. @default 'x-forwarded-for' */
  readonly header?: string
  /**
   * How many addresses at the end of the list are those of your own proxies. The one before them is the client's; what is further
   * left may be made up by the client. @default 0
   */
  readonly trustedProxies?: number
}

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

/**
 * The address of the client on whose behalf the call is made, from a header field such as `x-forwarded-for`.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function clientAddressKey(options: ClientAddressOptions = {}): StickyKey {
  checkKnownKeys('', options, ['header', 'trustedProxies'])
  const field = checkName('header', options.header ?? 'x-forwarded-for').toLowerCase()
  const trustedProxies = checkInteger('trustedProxies', options.trustedProxies ?? 0, { min: 0, max: 100 })
  return ({ headers }) =>
    headers?.[field]
      ?.split(',')
      .at(-1 - trustedProxies)
      ?.trim()
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

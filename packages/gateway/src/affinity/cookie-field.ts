import type { GatewayExchange, GatewayFilter } from '../filters/filter.ts'

/** Removes affinity cookies of other routes, which a browser sends to every path of a host. */
export function createCookieFilter(cookies: readonly string[]): GatewayFilter {
  return {
    onRequest(exchange) {
      for (const cookie of cookies) takeCookie(exchange, cookie)
      return undefined
    },
  }
}

/** Removes a cookie from a request. @returns its value; of several the first */
export function takeCookie(exchange: GatewayExchange, name: string): string | undefined {
  const { rawHeaders } = exchange
  let found: string | undefined
  let others: string[] | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index] !== 'cookie' || !rawHeaders[index + 1]?.includes(`${name}=`)) continue
    others ??= cookiesOf(rawHeaders)
  }
  if (!others) return undefined
  const rest = others.filter((pair) => {
    if (!pair.startsWith(`${name}=`)) return true
    found ??= pair.slice(name.length + 1)
    return false
  })
  if (rest.length === others.length) return undefined
  if (rest.length === 0) exchange.removeHeader('cookie')
  else exchange.setHeader('cookie', rest.join('; '))
  return found
}

/** Cookies of all fields: HTTP/2 clients send several (RFC 9113, 8.2.3). */
function cookiesOf(rawHeaders: readonly string[]): string[] {
  return rawHeaders
    .filter((_, index) => index % 2 === 1 && rawHeaders[index - 1] === 'cookie')
    .flatMap((value) => value.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
}

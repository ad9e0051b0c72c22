import type { GatewayExchange } from '@sd/gateway'

/** Where tokens are in a request. */
export interface TokenSource {
  /** In lower case. */
  readonly header: string | undefined
  readonly cookie: string | undefined
}

/** The token of a request: several are a mistake or an attack, because another server may take another one (RFC 6750, 2). */
export type FoundToken = { readonly token: string } | { readonly fault: 'none' | 'several' | 'malformed' }

/** Finds the token of a request. Other schemes than `Bearer` in `authorization` are not tokens. */
export function findToken(exchange: GatewayExchange, { header, cookie }: TokenSource): FoundToken {
  const values = header === undefined ? [] : valuesOf(exchange, header)
  if (values.length > 1) return { fault: 'several' }
  const cookies = cookie === undefined ? [] : cookiesOf(exchange).filter(({ name }) => name === cookie)
  const found = cookies.map(({ value }) => value)
  for (const value of values) {
    const isBearer = header !== 'authorization' || /^bearer(?: |$)/i.test(value)
    if (isBearer) found.push(header === 'authorization' ? value.slice('bearer'.length).trim() : value)
  }
  const [token] = found
  if (token === undefined) return { fault: 'none' }
  if (found.length > 1) return { fault: 'several' }
  return /^[\w\-.~+/]+=*$/.test(token) ? { token } : { fault: 'malformed' }
}

/** Removes the token from what the service gets, and leaves other cookies. */
export function removeToken(exchange: GatewayExchange, { header, cookie }: TokenSource): void {
  if (header !== undefined) exchange.removeHeader(header)
  if (cookie === undefined || exchange.header('cookie') === undefined) return
  const others = cookiesOf(exchange).filter(({ name }) => name !== cookie)
  if (others.length === 0) exchange.removeHeader('cookie')
  else exchange.setHeader('cookie', others.map(({ text }) => text).join('; '))
}

function valuesOf({ rawHeaders }: GatewayExchange, name: string): string[] {
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index] === name) values.push(rawHeaders[index + 1] as string)
  }
  return values
}

interface Cookie {
  readonly text: string
  readonly name: string
  readonly value: string
}

function cookiesOf(exchange: GatewayExchange): Cookie[] {
  const texts = (exchange.header('cookie') ?? '').split(';').map((part) => part.trim())
  return texts
    .filter((text) => text !== '')
    .map((text) => {
      const equals = text.indexOf('=')
      const value = equals < 0 ? text : text.slice(equals + 1).trim()
      return { text, name: equals < 0 ? '' : text.slice(0, equals).trim(), value: value.replace(/^"(.*)"$/, '$1') }
    })
}

import { hash } from 'node:crypto'
import { BoundedMap, checkObject, checkOneOf, checkText, invalidError, readIpNetwork } from '@sd/core'
import type { GatewayExchange } from '@sd/gateway'

/**
 * A part of the key of a limit:
 *
 * - `client-address`: the address of the client, and for IPv6 its /64
 * - `identity`: the client, as a filter before this one has verified it
 * - `route`, `method`, `host`: of the request, the host without port
 * - a header field, such as one in which an authentication filter has put a verified claim
 * - a cookie
 * - a placeholder of the path that the route matches: `id` of `/users/{id}`
 *
 * Requests without an identity, header field or cookie share one value.
 */
export type RateLimitKeyPart =
  | 'client-address'
  | 'identity'
  | 'route'
  | 'method'
  | 'host'
  | { readonly header: string }
  | { readonly cookie: string }
  | { readonly placeholder: string }

/** The part of a key that a request has. */
type ReadPart = (exchange: GatewayExchange) => string

const plain: Readonly<Record<Exclude<Extract<RateLimitKeyPart, string>, 'client-address'>, ReadPart>> = {
  identity: ({ identity }) => (identity === undefined ? '' : digest(identity)),
  route: ({ route }) => route,
  method: ({ method }) => method,
  host: ({ authority }) => shorten(authority.replace(/:\d*$/, '')),
}

const fieldName = /^[!#$%&'*+\-.^_`|~\da-z]{1,100}$/i

/**
 * Prepares keys of a limit: its parts, in their order. Requests with the same parts share a limit.
 *
 * @param path path of the options, for errors
 * @param pattern path that the route matches, for placeholders
 * @throws SdError `SD_INVALID` that names the part
 */
export function readKey(path: string, value: unknown, pattern: string | undefined): ReadPart {
  if (value === 'none') return () => 'all'
  const parts = Array.isArray(value) ? value : [value]
  if (parts.length === 0 || parts.length > 8) throw invalidError(path, value, '1 to 8 parts, or none')
  const readers = parts.map((part, index) => readPart(Array.isArray(value) ? `${path}[${index}]` : path, part, pattern))
  const [first] = readers
  const kinds = JSON.stringify(parts)
  // Limits of different kinds that share a limiter don't share a key.
  const prefix = kinds.length > 60 ? digest(kinds) : kinds
  if (first && readers.length === 1) return (exchange) => `${prefix}=${first(exchange)}`
  return (exchange) => {
    const values = readers.map((read) => read(exchange))
    return `${prefix}=${shorten(JSON.stringify(values))}`
  }
}

function readPart(field: string, part: unknown, pattern: string | undefined): ReadPart {
  if (typeof part === 'string') {
    const name = checkOneOf(field, part, ['client-address', 'identity', 'route', 'method', 'host'])
    return name === 'client-address' ? createNetworkReader() : plain[name]
  }
  const entries = Object.entries(checkObject(field, part))
  const [kind, name] = entries[0] ?? []
  if (entries.length !== 1)
    throw invalidError(
      field,
      part,
      'one of client-address, identity, route, method, host, { header }, { cookie }, { placeholder }',
    )
  checkOneOf(field, kind, ['header', 'cookie', 'placeholder'])
  const at = `${field}.${kind}`
  const text = checkText(at, name, 100)
  if (kind === 'placeholder') return readPlaceholder(at, text, pattern)
  if (!fieldName.test(text))
    throw invalidError(at, text, kind === 'header' ? 'the name of a header field' : 'the name of a cookie')
  // The values are often secrets, such as API keys, and a limiter may keep its keys elsewhere.
  if (kind === 'header') return (exchange) => digest(exchange.header(text) ?? '')
  return (exchange) => digest(readCookie(exchange.header('cookie'), text))
}

function readPlaceholder(field: string, name: string, pattern: string | undefined): ReadPart {
  const index = pattern?.split('/').indexOf(`{${name}}`) ?? -1
  if (index < 0) throw invalidError(field, name, `a placeholder of the path of the route, ${pattern ?? 'which has none'}`)
  return ({ path }) => shorten(decodeEscapes(path.split('?', 1)[0]?.split('/')[index] ?? ''))
}

/** `%61` and `a` are the same to the route and to its service. */
function decodeEscapes(segment: string): string {
  return segment.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function readCookie(cookies: string | undefined, name: string): string {
  for (const pair of cookies?.split(';') ?? []) {
    const text = pair.trim()
    if (text.startsWith(`${name}=`)) return text.slice(name.length + 1)
  }
  return ''
}

/** Keeps the networks of recent addresses: to read one of IPv6 takes longer than the rest of a limit. */
function createNetworkReader(): ReadPart {
  const networks = new BoundedMap<string, string>({ maxEntries: 1_000 })
  return ({ clientAddress }) => {
    if (!clientAddress.includes(':')) return clientAddress
    const known = networks.get(clientAddress)
    if (known !== undefined) return known
    const network = readIpNetwork(clientAddress) ?? ''
    networks.set(clientAddress, network)
    return network
  }
}

/** Keys have a bounded length, whatever a client sends. */
function shorten(text: string): string {
  return text.length <= 100 ? text : digest(text)
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url')
}

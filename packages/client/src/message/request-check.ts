import { invalidError, SdError } from '@sd/core'

/** RFC 9110, 5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** RFC 9110, 5.5: visible characters, spaces, tabs and `obs-text`, which is Latin-1. */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

const outerBlanks = /^[\t ]|[\t ]$/

/**
 * Fields that describe one connection, or the framing of one message (RFC 9110, 7.6.1), and `expect`: the caller's
 * values do not apply to the connection to the instance. They are dropped, so that the fields of an incoming request
 * can be passed on.
 */
const dropped: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/**
 * Header fields as they are sent: names in lower case, trimmed values, without the fields of one connection. A
 * `content-length` that is not a number is dropped too.
 *
 * @param path path of the field in messages, such as `headers`
 * @throws SdError `SD_INVALID` that names the field, for a name that is not a token and a value that is not one line of
 * Latin-1 (RFC 9110); it does not quote the value
 */
export function readHeaders(path: string, headers: Readonly<Record<string, string>>): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const given in headers) {
    const value = headers[given]
    if (value === undefined) continue
    const name = checkFieldName(path, given)
    const text = checkFieldValue(`${path}.${name}`, value)
    if (isSendable(name, text)) fields[name] = text
  }
  return fields
}

function checkFieldName(path: string, name: string): string {
  if (token.test(name)) return name.toLowerCase()
  // An invalid name may be a whole line including its value.
  throw invalidError(path, 'a name with other characters', 'names that are tokens (RFC 9110), such as x-user')
}

function checkFieldValue(field: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidError(field, describeKind(value), 'a string')
  if (!fieldValue.test(value)) {
    throw new SdError(
      'SD_INVALID',
      `Invalid ${field}: the value has line breaks, control characters or characters beyond Latin-1`,
      {
        field,
      },
    )
  }
  return outerBlanks.test(value) ? value.trim() : value
}

/** Whether a text can be the name of a field, or a method. */
export function isToken(text: string): boolean {
  return token.test(text)
}

/** Whether a text can be the value of a field. */
export function isFieldValue(text: string): boolean {
  return fieldValue.test(text)
}

/**
 * Checks a field before a library that would quote it, or send it unchanged. @throws SdError `SD_INVALID` of origin
 * `caller` that names the field; it does not quote the value
 */
export function checkField(path: string, name: string, value: string): void {
  if (token.test(name) && fieldValue.test(value)) return
  const field = token.test(name) ? `${path}.${name.toLowerCase()}` : path
  throw new SdError('SD_INVALID', `Invalid ${field}: want a name that is a token and a value that is one line of Latin-1`, {
    field,
  })
}

/** Whether a field describes the message, not the connection that it came over. */
export function isSendable(name: string, value: string): boolean {
  return !dropped.has(name) && (name !== 'content-length' || /^\d+$/.test(value))
}

/** Type of a value, for messages; never its content. */
export function describeKind(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a value of type ${typeof value}`
  const name = value.constructor?.name
  return Array.isArray(value) ? 'an array' : `an object${name && name !== 'Object' ? ` of class ${name}` : ''}`
}

/** An HTTP method in upper case. @throws SdError `SD_INVALID` if it is not a token (RFC 9110, 9.1), or is CONNECT */
export function checkMethod(method: unknown): string {
  const text = typeof method === 'string' && method.length <= 40 && token.test(method) ? method.toUpperCase() : undefined
  if (text !== undefined && text !== 'CONNECT') return text
  throw invalidError('method', typeof method === 'string' ? method : describeKind(method), 'an HTTP method other than CONNECT')
}

/** Longest path with query, in characters. */
const maxPathLength = 65_536

/** Nearly every path matches, and needs no check of single characters. */
const plainPath = /^\/[!$%&()*+,\-./0-9:;=?@A-Z[\]_a-z~]*$/

const visiblePath = /^\/[\x21-\x7e]*$/

/** Characters that RFC 3986 does not allow in a path or query, and that `fetch` would encode or, as `\`, replace. */
const unsafe = /["<>\\^`{|}\u0080-\u{10ffff}]/gu

/**
 * A path with query as it is sent. Characters that a URI can't have, such as `é`, are percent-encoded as UTF-8 (RFC
 * 3987, 3.1), in the same way on all transports.
 *
 * @throws SdError `SD_INVALID` if it does not begin with a slash, or has a fragment, spaces, control characters or half
 * a surrogate pair; it does not quote the query
 */
export function checkPath(path: unknown): string {
  if (typeof path !== 'string') throw invalidError('path', describeKind(path), pathWanted)
  if (plainPath.test(path) && path.length <= maxPathLength) return path
  const isRight = path.startsWith('/') && !path.includes('#') && path.isWellFormed() && path.length <= maxPathLength
  const encoded = isRight ? encodePath(path) : ''
  if (!visiblePath.test(encoded)) throw invalidError('path', withoutQuery(path), pathWanted)
  return encoded
}

const pathWanted = `a path of at most ${maxPathLength} characters that begins with a slash and has no blanks and no fragment, such as /orders/1`

function encodePath(path: string): string {
  const encoded = path.replace(unsafe, (character) => encodeURIComponent(character))
  const query = encoded.indexOf('?')
  // In a query, `fetch` encodes the apostrophe too.
  return query === -1 ? encoded : encoded.slice(0, query) + encoded.slice(query).replaceAll("'", '%27')
}

/** A path without its query, which may hold secrets. */
export function withoutQuery(path: string): string {
  const query = path.indexOf('?')
  return query === -1 ? path : path.slice(0, query)
}

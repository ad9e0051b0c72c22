import type { HeaderFields } from '@sd/core'

/**
 * Request header fields that identify the caller: the response is for that caller alone (RFC 9111, 3.5, which names
 * `authorization`; cookies, keys and tokens have the same purpose, as has a user or tenant that a gateway passes by
 * name).
 */
const personalName =
  /auth|cookie|token|session|api-?key|secret|credential|identity|principal|tenant|account|customer|impersonat|on-behalf|(?:^|-)(?:user|uid|sub|email)(?!-agent)(?:-|$)|client-?cert/

/** Directives that forbid keeping a response, or using it without validation (RFC 9111, 5.2.2). */
const unsharedDirective = /\b(?:no-store|private|no-cache|must-revalidate|proxy-revalidate|s-maxage)\b/i

/** Fields of one connection, or of one caller (RFC 9110, 7.6.1; RFC 9111, 3.1). */
const unsharedFields: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'set-cookie2',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a request field identifies the caller. @param name in lower case */
export function isPersonal(name: string): boolean {
  return personalName.test(name)
}

/** Whether a request may get the response to another caller's request. @param headers names in lower case */
export function isSharedRequest(headers: HeaderFields): boolean {
  if (headers['range'] !== undefined || /no-store/i.test(textOf(headers['cache-control']))) return false
  for (const name in headers) if (headers[name] !== undefined && isPersonal(name)) return false
  return true
}

/** Whether a response may be used for the same request of other callers later. @param headers names in lower case */
export function isSharedResponse(headers: HeaderFields): boolean {
  return !unsharedDirective.test(`${textOf(headers['cache-control'])},${textOf(headers['pragma'])}`)
}

/** The request fields that a response depends on, `undefined` if it depends on more than fields (RFC 9110, 12.5.5). */
export function readVary(headers: HeaderFields): readonly string[] | undefined {
  const names = textOf(headers['vary'])
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  return names.includes('*') ? undefined : names
}

/** A response's fields without those of one connection or one caller. */
export function toSharedFields(headers: HeaderFields): HeaderFields {
  const named = textOf(headers['connection'])
    .split(',')
    .map((name) => name.trim().toLowerCase())
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !unsharedFields.has(name) && !named.includes(name)))
}

/** A field as one string. */
export function textOf(value: HeaderFields[string]): string {
  return value === undefined ? '' : typeof value === 'string' ? value : value.join(', ')
}

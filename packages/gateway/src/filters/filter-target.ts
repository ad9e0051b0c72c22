import { checkName, invalidError } from '@sd/core'
import type { FilterScope } from './filter.ts'

/** Where a filter sends requests of its own, such as an issuer of keys. */
export interface FilterTarget {
  /** The URL as it was given: it has no password. */
  readonly href: string
  /** Sends a request. For a URL of a service it is a call of the gateway's client: its settings for the service apply. */
  fetch(init?: RequestInit): Promise<Response>
}

/**
 * Reads a URL among the options of a filter: `http:`, `https:`, or `service://name/path` for a service of the gateway's client.
 *
 * @throws SdError `SD_INVALID` that does not quote the URL, which may have a password
 */
export function readFilterTarget(field: string, value: unknown, { fetch }: Pick<FilterScope, 'fetch'>): FilterTarget {
  const text = checkName(field, value, 2_000)
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isUsable =
    url !== undefined && ['http:', 'https:', 'service:'].includes(url.protocol) && url.host !== '' && url.username === ''
  if (!isUsable || url.password !== '' || url.hash !== '') {
    throw invalidError(field, 'another text', 'an http:, https: or service: URL without a password and a fragment')
  }
  const { href, protocol, host, pathname, search } = url
  if (protocol !== 'service:') return { href, fetch: (init) => globalThis.fetch(href, init) }
  if (!fetch) throw invalidError(field, 'a URL of a service', 'another one: the client of the gateway has no fetch')
  return { href, fetch: (init) => fetch(`http://${host}${pathname}${search}`, init) }
}

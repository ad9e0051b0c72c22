import { CLIENT_CERTIFICATE_HEADER, formatClientIdentity } from '../listener/client-identity.ts'
import type { GatewayConnection } from '../listener/connection.ts'
import type { ClientOrigin } from './client-origin.ts'
import type { RequestFields } from './request-fields.ts'

/** What the gateway knows about a request beside its fields. */
export interface ForwardingFacts {
  /** Version of HTTP in the request. */
  readonly version: string
  /** Name of the gateway. */
  readonly pseudonym: string
  /** What trusted proxies say; absent without one. */
  readonly origin: ClientOrigin | undefined
}

/** More gateways than a request passes without a loop. */
const mostHops = 20

/**
 * Adds the fields that say where a request comes from. Those of a trusted proxy are continued, others are replaced.
 *
 * @param fields names in lower case and values in turn
 */
export function addForwardingFields(
  fields: string[],
  { authority, claims }: RequestFields,
  { remoteAddress, tls, isTrusted }: GatewayConnection,
  { origin, version, pseudonym }: ForwardingFacts,
): void {
  fields.push('x-forwarded-for', origin?.forwardedFor ?? remoteAddress, 'x-real-ip', origin?.address ?? remoteAddress)
  fields.push('x-forwarded-proto', origin?.proto ?? (tls ? 'https' : 'http'))
  const host = origin?.host ?? authority
  if (host !== '') fields.push('x-forwarded-host', host)
  const certificates = isTrusted ? claims[CLIENT_CERTIFICATE_HEADER] : undefined
  if (tls?.client || certificates !== undefined) {
    const own = tls?.client && formatClientIdentity(tls.client)
    fields.push(CLIENT_CERTIFICATE_HEADER, [certificates, own].filter((value) => value !== undefined).join(','))
  }
  fields.push('via', `${version} ${pseudonym}`)
}

/** Whether a request has passed the gateway of this name before, or too many others (RFC 9110, 7.6.3). */
export function isLoop(via: string | undefined, pseudonym: string): boolean {
  if (via === undefined) return false
  const hops = via.split(',')
  return hops.length > mostHops || hops.some((hop) => hop.trim().split(/\s+/)[1] === pseudonym)
}

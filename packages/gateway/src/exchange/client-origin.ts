import { readIpAddress } from '@sd/core'
import type { ForwardingTrust } from '../listener/connection.ts'
import type { RequestFields } from './request-fields.ts'
import { isAuthority } from './request-target.ts'

/** Where a request comes from, by the forwarding fields of trusted proxies. */
export interface ClientOrigin {
  /** The nearest address that is not one of a trusted proxy. */
  readonly address: string
  /** Addresses for `x-forwarded-for`: the client, then the proxies in order. What stands before the client is not known. */
  readonly forwardedFor: string
  /** Scheme that the client used. */
  readonly proto?: string | undefined
  /** Host that the client requested, possibly with port. */
  readonly host?: string | undefined
}

/**
 * Reads the forwarding fields from the right: each proxy appends the address that it saw, so that an address counts if all
 * that follow it are of trusted proxies. A hop without an IP address, such as `unknown`, ends the walk.
 *
 * @param peer the address that sent the request, which is trusted
 */
export function readClientOrigin({ claims }: RequestFields, peer: string, trust: ForwardingTrust): ClientOrigin {
  if (trust.fields === 'forwarded') return readForwarded(claims['forwarded'], peer, trust)
  const forwardedFor = claims['x-forwarded-for']
  const walk = { address: peer, forwardedFor: peer }
  for (let end = forwardedFor?.length ?? -1; end >= 0; ) {
    const comma = end === 0 ? -1 : (forwardedFor as string).lastIndexOf(',', end - 1)
    if (!follow(walk, (forwardedFor as string).slice(comma + 1, end), trust)) break
    end = comma
  }
  return { ...walk, proto: readProto(claims['x-forwarded-proto']), host: readHost(claims['x-forwarded-host']) }
}

/** Adds a hop to the walk. Returns whether the one before it counts too. */
function follow(walk: { address: string; forwardedFor: string }, hop: string, trust: ForwardingTrust): boolean {
  const address = readIpAddress(hop)
  if (address === undefined) return false
  walk.address = address
  walk.forwardedFor = `${address}, ${walk.forwardedFor}`
  return trust.networks.has(address)
}

/** One parameter of `forwarded` (RFC 7239, 4), with what separates it from the next. */
const parameter = /[\t ]*(?:([!#$%&'*+\-.^_`|~\da-z]+)=(?:([!#$%&'*+\-.^_`|~\da-z]+)|"((?:[^"\\]|\\.)*)"))?[\t ]*([,;]|$)/iy

/** Reads `forwarded`. A value that is not valid as a whole counts for nothing: its last hop may be inside an open quote. */
function readForwarded(value: string | undefined, peer: string, trust: ForwardingTrust): ClientOrigin {
  const walk: { address: string; forwardedFor: string } = { address: peer, forwardedFor: peer }
  let last: Map<string, string> | undefined
  for (const element of parseForwarded(value ?? '').reverse()) {
    const hop = element.get('for')
    if (hop === undefined || readIpAddress(hop) === undefined) break
    last = element
    if (!follow(walk, hop, trust)) break
  }
  return { ...walk, proto: readProto(last?.get('proto')), host: readHost(last?.get('host')) }
}

function parseForwarded(value: string): Map<string, string>[] {
  const elements = [new Map<string, string>()]
  parameter.lastIndex = 0
  while (parameter.lastIndex < value.length) {
    const [, name, token, quoted, separator] = parameter.exec(value) ?? []
    if (separator === undefined) return []
    if (name !== undefined) elements.at(-1)?.set(name.toLowerCase(), token ?? (quoted as string).replace(/\\(.)/g, '$1'))
    if (separator === ',') elements.push(new Map())
  }
  return elements.filter((element) => element.size > 0)
}

function readProto(value: string | undefined): string | undefined {
  return value !== undefined && /^https?$/i.test(value) ? value.toLowerCase() : undefined
}

function readHost(value: string | undefined): string | undefined {
  return value !== undefined && isAuthority(value) ? value.toLowerCase() : undefined
}

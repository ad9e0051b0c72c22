import { BlockList, isIP } from 'node:net'
import { invalidError, readIpAddress } from '@sd/core'

/** Networks whose addresses may be asked. */
export interface AllowedNetworks {
  /** @param address an IP address in any spelling */
  has(address: string): boolean
}

/**
 * The default of `allowedNetworks`: loopback, the private networks of RFC 1918, shared address space (RFC 6598), and unique local
 * IPv6 addresses (RFC 4193). Link-local addresses are not among them: clouds serve credentials there.
 */
export const DEFAULT_NETWORKS: readonly string[] = [
  '127.0.0.0/8',
  '::1/128',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
]

/**
 * Reads networks such as `10.0.0.0/8`, `2001:db8::/32` and single addresses. An IPv4 network mapped into IPv6 is the IPv4
 * network.
 *
 * @throws SdError `SD_INVALID` that names the field
 */
export function readNetworks(field: string, networks: readonly string[]): AllowedNetworks {
  if (!Array.isArray(networks)) throw invalidError(field, networks, 'a list of networks')
  const list = new BlockList()
  for (const [index, network] of networks.entries()) addNetwork(list, `${field}[${index}]`, network)
  return {
    has(address) {
      const known = readIpAddress(address)
      return known !== undefined && list.check(known, familyOf(known))
    },
  }
}

/** See {@link DEFAULT_NETWORKS}. */
export const privateNetworks: AllowedNetworks = readNetworks('allowedNetworks', DEFAULT_NETWORKS)

function addNetwork(list: BlockList, field: string, network: unknown): void {
  const [, text = '', prefix] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(typeof network === 'string' ? network : '') ?? []
  const address = isIP(text) === 0 ? undefined : readIpAddress(text)
  if (address === undefined) throw invalidNetwork(field, network)
  const bits = address.includes(':') ? 128 : 32
  const isMapped = text.includes(':') && bits === 32
  const length = prefix === undefined ? bits : Number(prefix) - (isMapped ? 96 : 0)
  if (length < 0 || length > bits) throw invalidNetwork(field, network)
  list.addSubnet(address, length, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

function invalidNetwork(field: string, network: unknown): Error {
  return invalidError(field, network, 'a network such as 10.0.0.0/8 or 2001:db8::/32, or an IP address')
}

import { BlockList, isIP } from 'node:net'
import { invalidError, readIpAddress } from '@sd/core'

/** Networks of the proxies whose statements about a client count. */
export interface TrustedNetworks {
  /** @param address in any spelling that `readIpAddress` of `@sd/core` returns */
  has(address: string): boolean
}

/** Trusts no address. */
export const noNetworks: TrustedNetworks = { has: () => false }

/**
 * Reads networks such as `10.0.0.0/8`, `2001:db8::/32` and single addresses. An IPv4 network mapped into IPv6 is the IPv4
 * network.
 *
 * @throws SdError `SD_INVALID` that names the field
 */
export function readTrustedNetworks(path: string, networks: readonly string[] = []): TrustedNetworks {
  if (!Array.isArray(networks)) throw invalidError(path, networks, 'a list of networks')
  if (networks.length === 0) return noNetworks
  const list = new BlockList()
  for (const [index, network] of networks.entries()) addNetwork(list, `${path}[${index}]`, network)
  return { has: (address) => list.check(address, familyOf(address)) }
}

function addNetwork(list: BlockList, path: string, network: unknown): void {
  const [, text = '', prefix] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(String(network)) ?? []
  const address = isIP(text) === 0 ? undefined : readIpAddress(text)
  if (typeof network !== 'string' || address === undefined) throw invalidNetwork(path, network)
  const isMapped = text.includes(':') && !address.includes(':')
  const bits = address.includes(':') ? 128 : 32
  const length = prefix === undefined ? bits : Number(prefix) - (isMapped ? 96 : 0)
  if (length < 0 || length > bits) throw invalidNetwork(path, network)
  list.addSubnet(address, length, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

function invalidNetwork(path: string, network: unknown): Error {
  return invalidError(path, network, 'a network such as 10.0.0.0/8 or 2001:db8::/32, or an IP address')
}

import { BlockList, isIP } from 'node:net'
import { invalidError, readIpAddress } from '@sd/core'

/**
 * Creates a test for addresses of peers.
 *
 * @param networks addresses, or networks such as `10.0.0.0/8`
 * @throws SdError `SD_INVALID` for an empty list or text that is not a network
 */
export function createTrustedNetworks(field: string, networks: readonly string[]): (peer: string | undefined) => boolean {
  if (!Array.isArray(networks) || networks.length === 0) throw invalidError(field, networks, 'a list of addresses or networks')
  const list = new BlockList()
  for (const [index, network] of networks.entries()) {
    const [address = '', prefix, ...rest] = String(network).split('/')
    const version = isIP(address)
    const bits = prefix === undefined || prefix === '' ? Number.NaN : Number(prefix)
    const isPrefix = Number.isInteger(bits) && bits >= 0 && bits <= (version === 4 ? 32 : 128)
    if (version === 0 || rest.length > 0 || (prefix !== undefined && !isPrefix))
      throw invalidError(`${field}[${index}]`, network, 'an address or a network such as 10.0.0.0/8')
    const family = version === 4 ? 'ipv4' : 'ipv6'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, bits, family)
  }
  return (peer) => {
    const address = peer === undefined ? undefined : readIpAddress(peer)
    return address !== undefined && list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  }
}

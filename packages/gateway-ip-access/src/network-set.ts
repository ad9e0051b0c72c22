import { isIP } from 'node:net'
import { invalidError, readIpAddress } from '@sd/core'

/** Most networks of one list. */
export const maxNetworks = 100_000

/** Networks by the length of their prefix: a look-up costs one step for each length that occurs, regardless of their number. */
export class NetworkSet {
  readonly #ipv4 = new Map<number, Set<bigint>>()
  readonly #ipv6 = new Map<number, Set<bigint>>()

  /** @throws SdError `SD_INVALID` that names the entry by `fieldOf` */
  constructor(networks: readonly unknown[], fieldOf: (index: number) => string) {
    for (const [index, network] of networks.entries()) this.#add(fieldOf(index), network)
  }

  /** @param address as `readIpAddress` of `@sd/core` returns it */
  has(address: string): boolean {
    const isIpv6 = address.includes(':')
    const bits = isIpv6 ? 128 : 32
    const number = toNumber(address)
    for (const [length, networks] of isIpv6 ? this.#ipv6 : this.#ipv4) {
      if (networks.has(number >> BigInt(bits - length))) return true
    }
    return false
  }

  /** An IPv4 network that is mapped into IPv6 is the IPv4 network. */
  #add(field: string, network: unknown): void {
    const [, text = '', prefix] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(typeof network === 'string' ? network : '') ?? []
    const address = isIP(text) === 0 ? undefined : readIpAddress(text)
    if (address === undefined) throw invalidNetwork(field, network)
    const isIpv6 = address.includes(':')
    const bits = isIpv6 ? 128 : 32
    const length = prefix === undefined ? bits : Number(prefix) - (text.includes(':') && !isIpv6 ? 96 : 0)
    if (length < 0 || length > bits) throw invalidNetwork(field, network)
    const lists = isIpv6 ? this.#ipv6 : this.#ipv4
    const list = lists.get(length) ?? new Set()
    lists.set(length, list.add(toNumber(address) >> BigInt(bits - length)))
  }
}

function invalidNetwork(field: string, network: unknown): Error {
  return invalidError(field, network, 'a network such as 10.0.0.0/8 or 2001:db8::/32, or an IP address')
}

/** An address as a number of 32 or 128 bits. */
function toNumber(address: string): bigint {
  if (!address.includes(':')) return BigInt(address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0))
  const [head = '', tail] = address.split('::')
  const left = groupsOf(head)
  const right = tail === undefined ? [] : groupsOf(tail)
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`)
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':')
}

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/
/** An IPv4 address mapped into IPv6, as `URL` writes it. */
const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/

/**
 * Normalises an IP address from outside, for example from a proxy: removes port, brackets, quotes and zone, writes IPv6
 * as in RFC 5952, and IPv4-mapped IPv6 (`::ffff:192.0.2.1`) as IPv4. Different spellings of an address then give the same
 * key.
 *
 * @returns `undefined` for text that is not an IP address, such as `unknown` or an empty string
 */
export function readIpAddress(text: string): string | undefined {
  const bare = text.trim().replace(/^"(.*)"$/, '$1')
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(bare) ?? []
  if (bracketed !== undefined) return readIpv6(bracketed)
  if (bare.includes(':') && bare.indexOf(':') !== bare.lastIndexOf(':')) return readIpv6(bare)
  const [host = ''] = bare.split(':', 1)
  return /^[^:]*(?::\d{1,5})?$/.test(bare) && ipv4.test(host) ? host : undefined
}

/**
 * Groups of an IPv6 address that identify the network: a subscriber or a machine has at least a whole /64 (RFC 6177, RFC
 * 7934).
 */
const networkGroups = 4

/**
 * Returns the network that identifies one caller: an IPv4 address itself, and the /64 of an IPv6 address, because a
 * caller can use any address of its /64. Use it as the key of a limit per address.
 *
 * @param text an address in any spelling, see {@link readIpAddress}
 * @returns for example `192.0.2.1` or `2001:db8::/64`; `undefined` for text that is not an IP address
 */
export function readIpNetwork(text: string): string | undefined {
  const address = readIpAddress(text)
  if (!address?.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const left = head.split(':')
  const missing = tail === undefined ? 0 : 8 - left.length - tail.split(':').length
  const groups = tail === undefined ? left : [...left, ...Array<string>(Math.max(missing, 1)).fill('0'), ...tail.split(':')]
  const network = groups.slice(0, networkGroups).map((group) => group || '0')
  return `${readIpv6(`${network.join(':')}::`)}/64`
}

function readIpv6(text: string): string | undefined {
  const url = `http://[${text.replace(/%.*$/s, '')}]`
  if (!/^[\da-f:.]+$/i.test(text.replace(/%.*$/s, '')) || !URL.canParse(url)) return undefined
  const address = new URL(url).hostname.slice(1, -1)
  const [, high, low] = mapped.exec(address) ?? []
  if (high === undefined || low === undefined) return address
  const number = (Number.parseInt(high, 16) << 16) | Number.parseInt(low, 16)
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')
}

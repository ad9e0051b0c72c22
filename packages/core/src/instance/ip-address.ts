const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/
/** An IPv4 address within IPv6, as `URL` writes it. */
const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/

/**
 * The one spelling of an IP address that somebody else wrote, such as a proxy: without port, brackets, quotes and zone, IPv6 as RFC 5952 has it,
 * and IPv4 within IPv6 (`::ffff:192.0.2.1`) as IPv4. So two spellings of one address are one key.
 *
 * @returns `undefined` for what is not an IP address, such as `unknown`, and for an empty text
 */
export function readIpAddress(text: string): string | undefined {
  const bare = text.trim().replace(/^"(.*)"$/, '$1')
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(bare) ?? []
  if (bracketed !== undefined) return readIpv6(bracketed)
  if (bare.includes(':') && bare.indexOf(':') !== bare.lastIndexOf(':')) return readIpv6(bare)
  const [host = ''] = bare.split(':', 1)
  return /^[^:]*(?::\d{1,5})?$/.test(bare) && ipv4.test(host) ? host : undefined
}

/** Groups of an IPv6 address that name the network: a line or a machine has at least all of a /64 (RFC 6177, RFC 7934). */
const networkGroups = 4

/**
 * The network that stands for one caller: an IPv4 address itself, and the /64 of an IPv6 address, of which everybody has a whole one to choose from. What a limit by
 * address is to count by.
 *
 * @param text an address in any spelling, see {@link readIpAddress}
 * @returns such as `192.0.2.1` or `2001:db8::/64`; `undefined` for what is not an IP address
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

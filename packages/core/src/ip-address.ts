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

function readIpv6(text: string): string | undefined {
  const url = `http://[${text.replace(/%.*$/s, '')}]`
  if (!/^[\da-f:.]+$/i.test(text.replace(/%.*$/s, '')) || !URL.canParse(url)) return undefined
  const address = new URL(url).hostname.slice(1, -1)
  const [, high, low] = mapped.exec(address) ?? []
  if (high === undefined || low === undefined) return address
  const number = (Number.parseInt(high, 16) << 16) | Number.parseInt(low, 16)
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')
}

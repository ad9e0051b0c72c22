/**
 * Prefix of names that can't be hosts, followed by the hexadecimal digits of their UTF-8. It has a letter, because a
 * host whose last label is a number is an IPv4 address.
 */
const encodedPrefix = 'sd-name.n'

/**
 * The origin by which `client.fetch`, `client.dispatcher` and `WebSocket` reach a service: `http://orders` for
 * `orders`. A name that a URL would change or reject, such as one with capitals, colons or only digits, gets a host
 * that encodes it.
 *
 * @param scheme `http` unless given; the protocol of an instance decides how it is called
 */
export function serviceOrigin(service: string, scheme: 'http' | 'ws' = 'http'): string {
  const plain = `${scheme}://${service}`
  if (/^[a-z0-9._~-]+$/.test(service) && !service.startsWith(encodedPrefix) && URL.parse(plain)?.hostname === service)
    return plain
  return `${scheme}://${encodedPrefix}${Buffer.from(service).toString('hex')}`
}

/** The service of an origin. */
export function serviceOfOrigin(origin: URL): string {
  const host = decodeURIComponent(origin.hostname)
  if (!host.startsWith(encodedPrefix)) return host
  return Buffer.from(host.slice(encodedPrefix.length), 'hex').toString()
}

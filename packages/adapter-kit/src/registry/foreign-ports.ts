import { isPortName, maxPorts, type ServiceInstance } from '@sd/core'

/**
 * Returns the valid named ports among those that another tool lists, for `ports` of an instance. Invalid ones are
 * skipped, the first of a name is used, and no more than an instance may have are read.
 *
 * @param listed names and ports as the tool provides them
 * @returns `undefined` if there are none
 */
export function readForeignPorts(
  listed: Iterable<readonly [name: unknown, port: unknown]>,
): Readonly<Record<string, number>> | undefined {
  const ports = new Map<string, number>()
  for (const [name, given] of listed) {
    const port = Number(given)
    const isRight = isPortName(name) && Number.isInteger(port) && port >= 1 && port <= 65_535
    if (isRight && !ports.has(name) && ports.size < maxPorts) ports.set(name, port)
  }
  return ports.size === 0 ? undefined : Object.fromEntries(ports)
}

const defaultPorts: Readonly<Record<string, number>> = { http: 80, https: 443 }

/**
 * Returns the ports of Kratos endpoints such as `['http://10.0.0.1:8000?isSecure=false', 'grpc://10.0.0.1:9000']`, named
 * by their scheme; `https` and `grpcs` if they are secure. Endpoints with another host than the first are skipped.
 */
export function kratosPorts(endpoints: readonly unknown[]): Readonly<Record<string, number>> | undefined {
  const urls = endpoints.flatMap((text) => URL.parse(String(text)) ?? [])
  return readForeignPorts(
    urls
      .filter(({ hostname }) => hostname === urls[0]?.hostname)
      .map((url) => [kratosProtocol(url), url.port || defaultPorts[url.protocol.slice(0, -1)]] as const),
  )
}

/** Returns the protocol of a Kratos endpoint: its scheme, with TLS if the scheme or `isSecure` says so. */
export function kratosProtocol({ protocol, searchParams }: URL): string {
  const named = protocol.slice(0, -1)
  return searchParams.get('isSecure') === 'true' && (named === 'http' || named === 'grpc') ? `${named}s` : named
}

/** Allowed URL schemes. Kratos drops an instance if one of its endpoints is not a URL. */
const scheme = /^[a-z][a-z0-9-]*$/

/**
 * Returns the Kratos endpoints of an instance by scheme: first its protocol, then the named ports whose name is a valid
 * scheme.
 */
export function kratosEndpoints({
  protocol,
  address,
  port,
  ports = {},
}: Pick<ServiceInstance, 'protocol' | 'address' | 'port' | 'ports'>): ReadonlyMap<
  string,
  { readonly url: string; readonly port: number }
> {
  const host = address.includes(':') ? `[${address}]` : address
  const named = Object.entries(ports).filter(([name]) => name !== protocol && scheme.test(name))
  return new Map(
    [[protocol, port] as const, ...named].map(([name, at]) => [name, { url: `${name}://${host}:${at}`, port: at }] as const),
  )
}

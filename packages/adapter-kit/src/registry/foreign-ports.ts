import { isPortName, maxPorts, type ServiceInstance } from '@sd/core'

/**
 * The named ports among those that another tool lists, for `ports` of an instance. What can't be one is left out, of a name the first counts, and
 * no more than an instance takes are read.
 *
 * @param listed names and ports as the tool has them
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
 * The ports of the endpoints of Kratos, such as `['http://10.0.0.1:8000?isSecure=false', 'grpc://10.0.0.1:9000']`, named by their scheme, `https`
 * and `grpcs` where they are secure. Those of another host than the first are left out.
 */
export function kratosPorts(endpoints: readonly unknown[]): Readonly<Record<string, number>> | undefined {
  const urls = endpoints.flatMap((text) => URL.parse(String(text)) ?? [])
  return readForeignPorts(
    urls
      .filter(({ hostname }) => hostname === urls[0]?.hostname)
      .map((url) => [kratosProtocol(url), url.port || defaultPorts[url.protocol.slice(0, -1)]] as const),
  )
}

/** The protocol of an endpoint of Kratos: its scheme, with TLS where that or `isSecure` says so. */
export function kratosProtocol({ protocol, searchParams }: URL): string {
  const named = protocol.slice(0, -1)
  return searchParams.get('isSecure') === 'true' && (named === 'http' || named === 'grpc') ? `${named}s` : named
}

/** What the scheme of a URL may be: Kratos drops an instance of which one endpoint is not a URL. */
const scheme = /^[a-z][a-z0-9-]*$/

/** An instance as endpoints of Kratos, by scheme: its protocol first, then its named ports whose name can be a scheme. */
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

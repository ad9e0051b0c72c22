import type { FilterFactory } from '@sd/gateway'
import { startEdge as startGateway } from '@sd/test-edge'
import type { IpAccessOptions } from '../index.ts'

/** Starts a gateway that trusts this machine as a proxy, with a route for each list of options, until the end of the test. */
export async function startEdge(
  filter: FilterFactory,
  routes: Readonly<Record<string, IpAccessOptions>>,
): Promise<(path: string, client: string, headers?: Readonly<Record<string, string>>) => Promise<Response>> {
  const specs = Object.entries(routes).map(([name, options]) => ({
    name,
    match: { path: `/${name}` },
    respond: { status: 200, body: 'an order' },
    filters: [{ filter: 'ip-access', ...options }],
  }))
  const listener = { trustedProxies: ['127.0.0.0/8'] }
  const url = await startGateway((_, response) => void response.end(), specs, { 'ip-access': filter }, listener)
  return (path, address, headers = {}) => fetch(`${url}/${path}`, { headers: { 'x-forwarded-for': address, ...headers } })
}

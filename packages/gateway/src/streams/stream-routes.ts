import type { GatewayProtocol } from '../protocol.ts'
import { streamsOf } from '../protocol-set.ts'
import type { RouteSpec } from '../table/table.ts'

/** Whether a route is for a protocol that is not on HTTP. */
export function isStreamRoute({ match }: Pick<RouteSpec, 'match'>, protocols: readonly GatewayProtocol[] = []): boolean {
  const name = match?.protocol
  return name !== undefined && streamsOf(protocols).some((protocol) => protocol.name === name)
}

/** Routes of HTTP, then those of each other protocol: no request or connection can meet routes of two groups. */
export function groupByProtocol<Route extends { readonly spec: RouteSpec }>(
  routes: readonly Route[],
  protocols: readonly GatewayProtocol[] | undefined,
): ReadonlyMap<string, readonly Route[]> {
  const groups = new Map<string, Route[]>()
  for (const route of routes) {
    const key = isStreamRoute(route.spec, protocols) ? (route.spec.match?.protocol as string) : 'http'
    const group = groups.get(key)
    if (group) group.push(route)
    else groups.set(key, [route])
  }
  return groups
}

import { type ClusterExplanation, checkKnownKeys, checkObject, checkText, formatOut, invalidError, SdError } from '@sd/core'
import { FieldList } from '../exchange/field-list.ts'
import { withoutPort } from '../exchange/message-rules.ts'
import { readRequestFields } from '../exchange/request-fields.ts'
import { isRefusal, type Refusal } from '../exchange/request-target.ts'
import { rateKey } from '../filters/limit-filters.ts'
import { streamsOf } from '../protocol-set.ts'
import { checkRouteMethod } from '../table/check-match.ts'
import type { TableNames } from '../table/check-references.ts'
import { type ResolvedListener, type ResolvedTable, resolveTable } from '../table/resolve-table.ts'
import type { ForwardTarget, GatewayTable, RouteSpec } from '../table/table.ts'
import { compileSelector } from './instance-selector.ts'
import { compilePathRule } from './path-rewrite.ts'
import type { RoutedRequest } from './routed-request.ts'
import { Router } from './router.ts'

/** A request to explain. It is not sent. */
export interface RouteProbe {
  /** @default 'GET' */
  readonly method?: string
  /**
   * With scheme and host, such as `https://api.example.com/orders/1`. Neither is resolved. For a protocol that is not on HTTP, its
   * name is the scheme, and the host is the server name: `tcp://db.example.com`, or `tcp://` for none.
   */
  readonly url: string
  /** @default none */
  readonly headers?: Readonly<Record<string, string>>
  /** Name of the listener. @default the first one that has the scheme of the URL, else the first */
  readonly listener?: string
  /** Address of the client, for keys of rate limits. @default '127.0.0.1' */
  readonly clientAddress?: string
  /** @default 'http' */
  readonly protocol?: 'http' | (string & {})
}

/** What a gateway does with a request. */
export interface RouteExplanation {
  /** The request as routes see it. */
  readonly request: Pick<RoutedRequest, 'listener' | 'method' | 'host' | 'path' | 'protocol'>
  /** Why the gateway refuses it before it looks for a route. */
  readonly refusal?: Refusal | undefined
  /** Name of the route; absent if there is none. */
  readonly route?: string | undefined
  /** Methods that would have a route; absent if there is a route, or if other conditions are not met. */
  readonly allowedMethods?: readonly string[] | undefined
  /** All other routes, in the order of the table. */
  readonly otherRoutes: readonly OtherRoute[]
  /** Path and query as they are sent on. */
  readonly path?: string | undefined
  /** Where the route redirects to. */
  readonly location?: string | undefined
  /** Status of a route that responds itself. */
  readonly status?: number | undefined
  /** Where the request may go. */
  readonly targets: readonly ExplainedTarget[]
  /** What else the route says. */
  readonly policies: Pick<RouteSpec, 'headers' | 'affinity' | 'limits' | 'timeouts' | 'filters' | 'mirror'>
  /** The unit of the rate limit that the request takes from. */
  readonly rateKey?: string | undefined
}

/** A route that the request does not take. */
export interface OtherRoute {
  /** Name of the route. */
  readonly route: string
  /** The first condition that is not met, such as `match.hosts` or `match.headers.x-lane`; absent if it is less specific. */
  readonly unmet?: string | undefined
}

/** A service that a request may go to. */
export interface ExplainedTarget extends Pick<ForwardTarget, 'service' | 'instances'> {
  /** Share of the requests, from 0 to 1. */
  readonly share: number
  /** Its endpoints; absent if they are not known. */
  readonly endpoints?: readonly ExplainedEndpoint[] | undefined
  /** Why its endpoints are not known. */
  readonly error?: string | undefined
}

/** An endpoint of a target. */
export interface ExplainedEndpoint {
  /** Id of the instance. */
  readonly instanceId: string
  /** Such as `http://10.0.0.1:8080`. */
  readonly origin: string
  /** Version of the instance. */
  readonly version?: string | undefined
  /** What excludes it, such as `instances` of the target or a rule of the client; absent if it may get the request. */
  readonly excluded?: string | undefined
}

/** The part of the explanation of a service that is used. */
export interface ExplainedService {
  readonly cluster: ClusterExplanation
}

/** Explains the endpoints of a service, as `client.explain` does. */
export type ExplainService = (service: string) => ExplainedService

const keys = ['method', 'url', 'headers', 'listener', 'clientAddress', 'protocol']

/**
 * Explains what a gateway with this table would do with a request, without a gateway.
 *
 * @param options what the table may refer to, see `checkTable`; `explainService`, such as `client.explain`, adds endpoints
 * @throws SdError `SD_INVALID` that names the field of the table or of the probe
 */
export function explainTable(
  table: GatewayTable,
  probe: RouteProbe,
  options: TableNames & { readonly explainService?: ExplainService } = {},
): RouteExplanation {
  const { explainService, ...names } = options
  return explainRoute(resolveTable(table, names), probe, { explainService, protocols: names.protocols })
}

/**
 * Explains what a gateway with this table does with a request: the code that handles requests decides.
 *
 * @param explainService @default endpoints are left out
 * @throws SdError `SD_INVALID` that names the field of the probe
 */
export function explainRoute(
  table: ResolvedTable,
  probe: RouteProbe,
  {
    explainService,
    protocols,
  }: { readonly explainService?: ExplainService | undefined; readonly protocols?: TableNames['protocols'] } = {},
): RouteExplanation {
  const stream = findStreamProbe(probe, protocols)
  if (stream) return explainStream(table, probe, { ...stream, explainService })
  const { method, authority, target, scheme, rawHeaders } = readProbe(probe)
  const listener = findListener(table.listeners, probe.listener, scheme)
  const { protocol = 'http', clientAddress = '127.0.0.1' } = probe
  const head = { method, target, authority, rawHeaders, version: '2', isComplete: true } as const
  const fields = readRequestFields(head, listener.limits)
  const base = { listener: listener.name, method, protocol, host: withoutPort(authority), path: target }
  if (isRefusal(fields)) {
    return {
      request: base,
      refusal: { status: fields.status, detail: fields.detail },
      otherRoutes: [],
      targets: [],
      policies: {},
    }
  }
  // Those that the gateway adds can be conditions too.
  fields.rawHeaders.push('host', fields.authority, 'x-forwarded-for', clientAddress, 'x-forwarded-proto', scheme)
  const routed: RoutedRequest = { ...base, path: fields.path, rawHeaders: fields.rawHeaders }
  const { rawHeaders: _, ...request } = routed
  const router = new Router(table.routes.map((spec) => ({ spec })))
  const spec = router.find(routed)?.spec
  const otherRoutes = table.routes
    .filter((one) => one !== spec)
    .map((one) => ({ route: one.name, unmet: findUnmet(one, routed) }))
  if (!spec) {
    const allowedMethods = router.allowedMethods(routed)
    return { request, otherRoutes, targets: [], policies: {}, ...(allowedMethods.length > 0 && { allowedMethods }) }
  }
  const header = (name: string): string | undefined => new FieldList(fields.rawHeaders).get(name.toLowerCase())
  return {
    request,
    route: spec.name,
    otherRoutes,
    ...explainAction(spec, { path: fields.path, authority: fields.authority, scheme }),
    targets: explainTargets(spec, explainService),
    policies: pickPolicies(spec),
    ...(spec.limits?.rate && { rateKey: rateKey(spec.limits.rate.key ?? 'client-address')({ clientAddress, header }) }),
  }
}

/** A connection or session of a protocol that is not on HTTP. */
function findStreamProbe({ url }: RouteProbe, protocols: TableNames['protocols'] = []) {
  const [, protocol = '', host = ''] = /^([^:/]+):\/\/([^/?#]*)\/?$/.exec(checkText('url', url, 10_000)) ?? []
  return streamsOf(protocols).some(({ name }) => name === protocol)
    ? { protocol, host: withoutPort(host.toLowerCase()) }
    : undefined
}

function explainStream(
  { listeners, routes }: ResolvedTable,
  probe: RouteProbe,
  { protocol, host, explainService }: { protocol: string; host: string; explainService: ExplainService | undefined },
): RouteExplanation {
  checkKnownKeys('', probe, keys)
  const accepting = listeners.filter((one) => one.protocols?.includes(protocol))
  const listener = findListener(accepting.length > 0 ? accepting : listeners, probe.listener, 'http')
  const routed: RoutedRequest = { listener: listener.name, method: 'CONNECT', host, path: '/', protocol, rawHeaders: [] }
  const { rawHeaders: _, ...request } = routed
  const own = routes.filter(({ match }) => match?.protocol === protocol)
  const spec = new Router(own.map((one) => ({ spec: one }))).find(routed)?.spec
  const otherRoutes = routes
    .filter((one) => one !== spec)
    .map((one) => ({ route: one.name, unmet: own.includes(one) ? findUnmet(one, routed) : 'match.protocol' }))
  if (!spec) return { request, otherRoutes, targets: [], policies: {} }
  const targets = explainTargets(spec, explainService)
  return { request, route: spec.name, otherRoutes, targets, policies: pickPolicies(spec) }
}

function readProbe(probe: RouteProbe) {
  checkKnownKeys('', probe, keys)
  const { url, headers = {} } = probe
  const [, scheme, authority, path = ''] = /^(https?):\/\/([^/?#]+)([^#]*)$/i.exec(checkText('url', url, 10_000)) ?? []
  if (scheme === undefined || authority === undefined) {
    throw invalidError('url', url, 'a URL with scheme and host, such as https://api.example.com/orders')
  }
  const fields = Object.entries(checkObject('headers', headers))
  return {
    method: checkRouteMethod('method', probe.method ?? 'GET'),
    scheme: scheme.toLowerCase(),
    authority: authority.toLowerCase(),
    target: path.startsWith('/') ? path : `/${path}`,
    rawHeaders: fields.flatMap(([name, value]) => [name.toLowerCase(), checkText(`headers.${name}`, value, 10_000)]),
  }
}

function findListener(listeners: readonly ResolvedListener[], name: string | undefined, scheme: string): ResolvedListener {
  const suits = ({ tls }: ResolvedListener): boolean => (tls !== undefined) === (scheme === 'https')
  const found = listeners.find((one) => (name === undefined ? suits(one) : one.name === name))
  if (found) return found
  if (name === undefined) return listeners[0] as ResolvedListener
  throw invalidError('listener', name, `one of ${listeners.map((one) => one.name).join(', ')}`)
}

/** The first condition that a request does not meet. */
function findUnmet(spec: RouteSpec, request: RoutedRequest): string | undefined {
  const { match = {} } = spec
  const only = (part: RouteSpec['match'] & object): boolean => {
    return new Router([{ spec: { name: spec.name, match: part } }]).find(request) !== undefined
  }
  if (match.hosts && !only({ hosts: match.hosts })) return 'match.hosts'
  if (match.path !== undefined && !only({ path: match.path })) return 'match.path'
  return new Router([{ spec }]).candidates(request)[0]?.unmet?.field
}

function explainAction(
  { match, rewrite, redirect, respond, forward }: RouteSpec,
  { path, authority, scheme }: { path: string; authority: string; scheme: string },
): Pick<RouteExplanation, 'path' | 'location' | 'status'> {
  if (respond) return { status: respond.status }
  if (redirect) {
    const to = compilePathRule(match?.path, redirect)?.(path) ?? path
    const own = redirect.scheme === undefined ? authority : withoutPort(authority)
    return { status: redirect.status ?? 308, location: `${redirect.scheme ?? scheme}://${redirect.host ?? own}${to}` }
  }
  return forward ? { path: compilePathRule(match?.path, rewrite ?? {})?.(path) ?? path } : {}
}

function explainTargets({ forward = [] }: RouteSpec, explainService: ExplainService | undefined): ExplainedTarget[] {
  const targets = [forward].flat()
  const total = targets.reduce((sum, { weight = 1 }) => sum + weight, 0)
  return targets.map(({ service, weight = 1, instances }) => ({
    service,
    ...(instances && { instances }),
    share: weight / total,
    ...(explainService && explainEndpoints(explainService, service, instances)),
  }))
}

function explainEndpoints(
  explainService: ExplainService,
  service: string,
  instances: ForwardTarget['instances'],
): Pick<ExplainedTarget, 'endpoints' | 'error'> {
  const accepts = compileSelector(instances)
  try {
    const { endpoints } = explainService(service).cluster
    return {
      endpoints: endpoints.map(({ endpoint, dropped, outs }) => {
        const { id: instanceId, version } = endpoint.instance
        const out = outs.find(({ reason }) => reason === dropped)
        const excluded = accepts?.(endpoint.instance) === false ? 'instances' : out ? formatOut(out) : dropped
        return {
          instanceId,
          origin: endpoint.origin,
          ...(version !== undefined && { version }),
          ...(excluded !== undefined && { excluded }),
        }
      }),
    }
  } catch (error) {
    if (!(error instanceof SdError)) throw error
    return { error: error.message }
  }
}

function pickPolicies({ headers, affinity, limits, timeouts, filters, mirror }: RouteSpec): RouteExplanation['policies'] {
  return {
    ...(headers && { headers }),
    ...(affinity && { affinity }),
    ...(limits && { limits }),
    ...(timeouts && { timeouts }),
    ...(filters && { filters }),
    ...(mirror && { mirror }),
  }
}

import { checkObject, invalidError, SdError } from '@sd/core'
import { createFilters } from '../filters/create-filters.ts'
import { FilterSet } from '../filters/filter-set.ts'
import { findAmbiguous, findUnreachable } from '../routing/route-overlap.ts'
import { groupByProtocol } from '../streams/stream-routes.ts'
import { checkListener, readAddress } from './check-listener.ts'
import { checkReferences, type TableNames } from './check-references.ts'
import { checkRoute } from './check-route.ts'
import { checkListenerProtocols } from './check-streams.ts'
import { type Check, listOf, object } from './checks.ts'
import { copyData } from './copy-data.ts'
import { Problems } from './problems.ts'
import type { GatewayTable, ListenerLimits, ListenerSpec, ListenerTimeouts, MinBodyRate, RouteSpec } from './table.ts'

/** A listener with its defaults. */
export interface ResolvedListener extends ListenerSpec {
  readonly host: string
  readonly port: number
  readonly limits: ResolvedLimits
  readonly timeouts: Required<ListenerTimeouts>
}

/** Limits of a listener with their defaults. */
export type ResolvedLimits = Required<ListenerLimits> & { readonly minBodyRate: Required<MinBodyRate> }

/** A table that has been checked, with its defaults. It shares no object with the one that was given. */
export interface ResolvedTable {
  readonly listeners: readonly ResolvedListener[]
  readonly routes: readonly RouteSpec[]
}

/** What is wrong, or probably wrong, with a table. */
export interface TableReport {
  /** Everything for which the gateway refuses the table. Each error names its field by the path. */
  readonly problems: readonly SdError[]
  /** Probable mistakes, such as routes that no request can reach. */
  readonly warnings: readonly TableWarning[]
}

/** A part of a table that works and is probably not meant. */
export interface TableWarning {
  /** Path of the field, such as `routes[2]`. */
  readonly field: string
  /** Predicate of a sentence about the field, such as `is never used`. */
  readonly message: string
}

const defaultLimits: ResolvedLimits = {
  headerBytes: 16_384,
  headers: 100,
  pathLength: 8_192,
  connections: 20_000,
  connectionsPerAddress: Number.MAX_SAFE_INTEGER,
  requestsPerConnection: 10_000,
  streamsPerConnection: 128,
  cancelledStreams: 256,
  // The rate is that of Kestrel.
  minBodyRate: { bytesPerSecond: 240, windowMs: 20_000 },
}

const defaultTimeouts: Required<ListenerTimeouts> = {
  headersMs: 10_000,
  idleConnectionMs: 60_000,
  handshakeMs: 5_000,
  idleBodyMs: 30_000,
}

const checkTableShape: Check = object<GatewayTable>(
  { listeners: listOf(checkListener, { min: 1, max: 100 }), routes: listOf(checkRoute, { max: 10_000 }) },
  ['listeners', 'routes'],
)

/**
 * Checks a table as `createGateway` and `Gateway.configure` do, without a gateway. Filters are created, so that their factories
 * check the options, and closed.
 *
 * @param names filters, protocols, rate limiters and affinity keys that it may refer to: the options of the gateway
 */
export function checkTable(table: unknown, names: TableNames = {}): TableReport {
  const problems = new Problems()
  const { listeners, routes } = collectProblems(table, names, problems)
  if (problems.errors.length === 0) checkFilters(routes, names, problems)
  const warnings = problems.errors.length > 0 ? [] : findWarnings(listeners, routes, names)
  return { problems: problems.errors, warnings }
}

/** Filters that are only checked send no requests. */
async function notFetching(): Promise<never> {
  throw new SdError('SD_UNAVAILABLE', 'The gateway has not started')
}

/** All routes are sound here, so that their places are those in the table. */
function checkFilters(routes: readonly RouteSpec[], { filters = {} }: TableNames, problems: Problems): void {
  for (const [index, route] of routes.entries()) {
    new FilterSet(createFilters(route, `routes[${index}]`, { filters, fetch: notFetching }, problems)).retire()
  }
}

/** Checks a table. @throws SdError `SD_INVALID` that names the first field by its path, and all problems */
export function resolveTable(table: unknown, names: TableNames = {}): ResolvedTable {
  const problems = new Problems()
  collectProblems(table, names, problems)
  problems.throwIfAny()
  const { listeners, routes } = copyData(table as GatewayTable)
  return { listeners: listeners.map(resolveListener), routes }
}

/** The parts of the table whose form is right, so that their relations can be checked too. */
function collectProblems(table: unknown, names: TableNames, problems: Problems): GatewayTable {
  checkTableShape('', table, problems)
  const { listeners, routes } = (problems.attempt(() => checkObject('table', table)) ?? {}) as Partial<Record<string, unknown>>
  const allListeners = listOfObjects<ListenerSpec>(listeners)
  const allRoutes = listOfObjects<RouteSpec>(routes)
  checkUniqueNames('listeners', allListeners, problems)
  checkUniqueNames('routes', allRoutes, problems)
  const listenerNames = new Set(allListeners.map(({ name }) => name))
  for (const [index, listener] of allListeners.entries())
    checkListenerProtocols(`listeners[${index}]`, listener, names.protocols, problems)
  const sound: RouteSpec[] = []
  for (const [index, route] of allRoutes.entries()) {
    const path = `routes[${index}]`
    const own = new Problems()
    checkRoute(path, route, own)
    if (own.errors.length > 0) continue
    sound.push(route)
    checkReferences(path, route, listenerNames, names, problems)
  }
  const groups = groupByProtocol(
    sound.map((spec) => ({ spec })),
    names.protocols,
  )
  const ambiguous = [...groups.values()].flatMap((group) =>
    findAmbiguous(
      group.map(({ spec }) => spec),
      [...listenerNames],
    ),
  )
  for (const { first, second, example } of ambiguous) {
    const field = `routes[${allRoutes.indexOf(second)}].match`
    const why = `${first.name} and ${second.name} have the same precedence, and ${example} meets both`
    problems.add(new SdError('SD_INVALID', `Invalid ${field}: ${why}; want a further condition for one of them`, { field }))
  }
  return { listeners: allListeners, routes: sound }
}

function findWarnings(
  listeners: readonly ListenerSpec[],
  routes: readonly RouteSpec[],
  { protocols }: TableNames,
): TableWarning[] {
  const listenerNames = listeners.map(({ name }) => name)
  const groups = [
    ...groupByProtocol(
      routes.map((spec) => ({ spec })),
      protocols,
    ).values(),
  ]
  const unreachable = groups.flatMap((group) =>
    findUnreachable(
      group.map(({ spec }) => spec),
      listenerNames,
    ),
  )
  return [
    ...unreachable.map((route) => ({
      field: `routes[${routes.indexOf(route)}]`,
      message: 'is never used: more specific routes get all of its requests',
    })),
    ...findSharedCookies(routes).map(([first, other]) => ({
      field: `routes[${routes.indexOf(other)}].affinity.cookie`,
      message: `is that of the route ${first.name} too, which has other services: they replace it in turn`,
    })),
  ]
}

function findSharedCookies(routes: readonly RouteSpec[]): [RouteSpec, RouteSpec][] {
  const byCookie = new Map<string, RouteSpec>()
  const shared: [RouteSpec, RouteSpec][] = []
  for (const route of routes) {
    if (!route.affinity) continue
    const { cookie, path = '/' } = route.affinity
    const key = `${cookie} ${path}`
    const first = byCookie.get(key)
    if (!first) byCookie.set(key, route)
    else if (servicesOf(first) !== servicesOf(route)) shared.push([first, route])
  }
  return shared
}

function servicesOf({ forward = [] }: RouteSpec): string {
  const services = [forward].flat().map(({ service }) => service)
  return JSON.stringify([...new Set(services)].sort())
}

/** An empty object for an entry that is none: its form has been refused already, and the others keep their index. */
function listOfObjects<T>(value: unknown): T[] {
  return Array.isArray(value) ? value.map((entry) => (typeof entry === 'object' && entry !== null ? entry : {})) : []
}

function checkUniqueNames(path: string, entries: readonly { readonly name: string }[], problems: Problems): void {
  const seen = new Set<string>()
  for (const [index, { name }] of entries.entries()) {
    if (typeof name !== 'string') continue
    if (seen.has(name)) problems.add(invalidError(`${path}[${index}].name`, name, 'a name that no other entry has'))
    seen.add(name)
  }
}

function resolveListener(spec: ListenerSpec, index: number): ResolvedListener {
  return {
    ...spec,
    ...readAddress(`listeners[${index}].address`, spec.address),
    limits: {
      ...defaultLimits,
      ...spec.limits,
      minBodyRate: { ...defaultLimits.minBodyRate, ...spec.limits?.minBodyRate },
    },
    timeouts: { ...defaultTimeouts, ...spec.timeouts },
  }
}

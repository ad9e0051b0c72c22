import type { FieldMatch, RouteMatch, RouteSpec } from '../table/table.ts'
import { readPattern } from './path-pattern.ts'
import { conditionsOf, meetsField, methodsOf, specificityOf } from './route-conditions.ts'
import type { RoutedRequest } from './routed-request.ts'

/** Two routes of the same precedence, and a request that meets both. */
export interface AmbiguousRoutes {
  readonly first: RouteSpec
  readonly second: RouteSpec
  /** Such as `GET api.example.com/orders with x-lane: canary`. */
  readonly example: string
}

/** Routes with the same host and path. */
interface Group {
  readonly host: string | undefined
  readonly routes: RouteSpec[]
}

/** Most pairs of ambiguous routes that are reported. */
const maxPairs = 100
/** Most requests that are tried to find out whether one reaches a route. */
const maxTries = 20_000

/** Finds routes between which the order of precedence does not decide. @param listeners names of all listeners */
export function findAmbiguous(routes: readonly RouteSpec[], listeners: readonly string[]): AmbiguousRoutes[] {
  const found = new Map<string, AmbiguousRoutes>()
  for (const { host, routes: group } of groupRoutes(routes)) {
    const specificities = group.map(specificityOf)
    for (const [index, second] of group.entries()) {
      for (const [before, first] of group.slice(0, index).entries()) {
        if (specificities[before] !== specificities[index]) continue
        if (found.size >= maxPairs) return [...found.values()]
        const example = findCommon(first, second, { host, listeners })
        const key = `${first.name}\n${second.name}`
        if (example !== undefined && !found.has(key)) found.set(key, { first, second, example })
      }
    }
  }
  return [...found.values()]
}

/**
 * Finds routes whose requests all go to more specific ones. Paths and hosts have no end of values; other conditions are tried
 * with all values that matter. @param listeners names of all listeners
 */
export function findUnreachable(routes: readonly RouteSpec[], listeners: readonly string[]): RouteSpec[] {
  const reached = new Set<RouteSpec>()
  for (const { routes: group } of groupRoutes(routes)) {
    const sorted = group
      .map((route) => ({ route, conditions: conditionsOf(route), specificity: specificityOf(route) }))
      .sort((one, other) => other.specificity - one.specificity)
    const requests = group.length === 1 ? undefined : listRequests(group, listeners)
    if (!requests) {
      for (const route of group) reached.add(route)
      continue
    }
    for (const request of requests) {
      const first = sorted.find(({ conditions }) => conditions.every((condition) => condition.isMet(request)))
      if (first) reached.add(first.route)
    }
  }
  return routes.filter((route) => !reached.has(route))
}

function groupRoutes(routes: readonly RouteSpec[]): Iterable<Group> {
  const groups = new Map<string, Group>()
  for (const route of routes) {
    const { key } = readPattern(route.match?.path)
    const hosts = route.match?.hosts?.map((host) => host.toLowerCase()) ?? [undefined]
    for (const host of new Set(hosts)) {
      const id = `${host ?? ''}${key}`
      const group = groups.get(id)
      if (group) group.routes.push(route)
      else groups.set(id, { host, routes: [route] })
    }
  }
  return groups.values()
}

/** A request that meets the conditions of two routes with the same host and path, as text. */
function findCommon(
  first: RouteSpec,
  second: RouteSpec,
  { host, listeners }: { host: string | undefined; listeners: readonly string[] },
): string | undefined {
  const [one, other]: [RouteMatch, RouteMatch] = [first.match ?? {}, second.match ?? {}]
  const listener = listeners.find((name) => [first, second].every((route) => route.listeners?.includes(name) ?? true))
  const method = findCommonMethod(methodsOf(one), methodsOf(other))
  const headers = findCommonFields(one.headers, other.headers, (name) => name.toLowerCase())
  const query = findCommonFields(one.query, other.query, (name) => name)
  const isSameProtocol = !one.protocol || !other.protocol || one.protocol === other.protocol
  if (listener === undefined || method === undefined || !headers || !query || !isSameProtocol) return undefined
  const path = (one.path ?? '/*').replaceAll(/\{[^{}]*\}/g, '1').replace(/\*$/, '')
  const parameters = query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')
  const details = [
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...[one.protocol ?? other.protocol ?? []].flat().map((protocol) => `protocol ${protocol}`),
    ...(first.listeners || second.listeners ? [`listener ${listener}`] : []),
  ]
  const target = `${host?.replace(/^\*/, 'a') ?? ''}${path}${parameters === '' ? '' : `?${parameters}`}`
  return `${method} ${target}${details.length === 0 ? '' : ` with ${details.join(', ')}`}`
}

function findCommonMethod(one: ReadonlySet<string> | undefined, other: ReadonlySet<string> | undefined): string | undefined {
  if (!one || !other) return [...(one ?? other ?? ['GET'])][0]
  return [...one].find((method) => other.has(method))
}

/** Values that meet the conditions of both; those that must be absent are left out. */
function findCommonFields(
  one: RouteMatch['headers'] = {},
  other: RouteMatch['headers'] = {},
  keyOf: (name: string) => string,
): [string, string][] | undefined {
  const conditions = new Map<string, FieldMatch[]>()
  for (const [name, match] of [...Object.entries(one), ...Object.entries(other)]) {
    conditions.set(keyOf(name), [...(conditions.get(keyOf(name)) ?? []), match])
  }
  const fields: [string, string][] = []
  for (const [name, matches] of conditions) {
    const values = valuesToTry(matches).filter((value) => matches.every((match) => meetsField(match, value)))
    if (values.length === 0) return undefined
    if (values[0] !== undefined) fields.push([name, values[0]])
  }
  return fields
}

/** Values that differ in which of the conditions they meet. The last is none. */
function valuesToTry(matches: readonly FieldMatch[]): (string | undefined)[] {
  const values = matches.flatMap((match) => {
    if (typeof match === 'string') return [match]
    if ('oneOf' in match) return match.oneOf
    return 'prefix' in match ? [match.prefix, `${match.prefix}~`] : []
  })
  return [...new Set(values), 'any', undefined]
}

/** Requests that differ in which of the conditions of the routes they meet; `undefined` if they are too many. */
function listRequests(routes: readonly RouteSpec[], listeners: readonly string[]): RoutedRequest[] | undefined {
  const matches = routes.map(({ match = {} }) => match)
  const methods = new Set([...matches.flatMap((match) => [...(methodsOf(match) ?? [])]), 'ANY'])
  const headers = fieldsToTry(matches.map((match) => match.headers))
  const query = fieldsToTry(matches.map((match) => match.query))
  // A gateway may have protocols that no route names.
  const protocols = new Set(['http', 'any', ...matches.flatMap(({ protocol }) => protocol ?? [])])
  const sizes = [...headers, ...query].map(([, values]) => values.length)
  const count = sizes.reduce((product, size) => product * size, methods.size * protocols.size * listeners.length)
  if (count * routes.length > maxTries) return undefined
  const base = listeners.flatMap((listener) =>
    [...protocols].flatMap((protocol) => [...methods].map((method) => ({ listener, protocol, method, host: '' }))),
  )
  const paths = combine(query).map((fields) => {
    const parameters = fields.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    return `/?${parameters.join('&')}`
  })
  const lists = combine(headers).map((fields) => fields.flatMap(([name, value]) => [name.toLowerCase(), value]))
  return base.flatMap((one) => paths.flatMap((path) => lists.map((rawHeaders) => ({ ...one, path, rawHeaders }))))
}

function fieldsToTry(all: readonly RouteMatch['headers'][]): [string, (string | undefined)[]][] {
  const conditions = new Map<string, FieldMatch[]>()
  for (const [name, match] of all.flatMap((fields) => Object.entries(fields ?? {}))) {
    conditions.set(name, [...(conditions.get(name) ?? []), match])
  }
  return [...conditions].map(([name, matches]) => [name, valuesToTry(matches)])
}

/** All combinations of one value for each name. */
function combine(fields: readonly [string, (string | undefined)[]][]): [string, string][][] {
  return fields.reduce<[string, string][][]>(
    (lists, [name, values]) =>
      lists.flatMap((list) => values.map((value) => (value === undefined ? list : [...list, [name, value] as [string, string]]))),
    [[]],
  )
}

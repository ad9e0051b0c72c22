import type { RouteSpec } from '../table/table.ts'
import { anySegment, canonicalSegment, readPattern } from './path-pattern.ts'
import { conditionsOf, methodsField, methodsOf, type RouteCondition, specificityOf } from './route-conditions.ts'
import type { RoutedRequest } from './routed-request.ts'

/** Something that is found by a route's conditions. */
export interface Routed {
  readonly spec: RouteSpec
}

/** A route at one place of a tree. */
interface Leaf<T> {
  readonly route: T
  readonly conditions: readonly RouteCondition[]
  readonly specificity: number
}

/** Routes by the segments of their paths. */
class PathNode<T> {
  readonly texts: Map<string, PathNode<T>> = new Map()
  placeholder: PathNode<T> | undefined
  /** Routes whose path ends here, the most specific first. */
  readonly ends: Leaf<T>[] = []
  /** Routes whose path has `*` here. */
  readonly rests: Leaf<T>[] = []
}

/**
 * Finds the route of a request: by host in a map, by path in a tree, then by the other conditions. The time depends on the
 * length of the path and on routes with the same host and path, not on the number of routes.
 */
export class Router<T extends Routed> {
  readonly #exact = new Map<string, PathNode<T>>()
  /** By the name after `*.`. */
  readonly #wildcards = new Map<string, PathNode<T>>()
  readonly #any = new PathNode<T>()

  constructor(routes: readonly T[]) {
    for (const route of routes) this.#add(route)
  }

  /** The most specific route whose conditions the request meets. */
  find(request: RoutedRequest): T | undefined {
    const { path } = request
    const question = path.indexOf('?')
    const end = question < 0 ? path.length : question
    const host = withoutDot(request.host)
    const exact = this.#exact.get(host)
    const found = exact && search(exact, request, 1, end)
    if (found) return found
    if (this.#wildcards.size > 0) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const node = this.#wildcards.get(host.slice(dot + 1))
        const other = node && search(node, request, 1, end)
        if (other) return other
      }
    }
    return search(this.#any, request, 1, end)
  }

  /** Methods of the routes of which the request meets all but the method, sorted; for a request without a route. */
  allowedMethods(request: RoutedRequest): string[] {
    const methods = this.candidates(request)
      .filter(({ unmet }) => unmet?.field === methodsField)
      .flatMap(({ route }) => [...(methodsOf(route.spec.match ?? {}) ?? [])])
    return [...new Set(methods)].sort()
  }

  /** Routes with the host and path of a request, in their order of precedence, each with its first condition that is not met. */
  candidates(request: RoutedRequest): { route: T; unmet: RouteCondition | undefined }[] {
    const segments = (request.path.split('?', 1)[0] as string).slice(1).split('/').map(canonicalSegment)
    const labels = withoutDot(request.host).split('.')
    const nodes = [
      this.#exact.get(labels.join('.')),
      ...labels.slice(1).map((_, index) => this.#wildcards.get(labels.slice(index + 1).join('.'))),
      this.#any,
    ]
    return nodes
      .flatMap((node) => (node ? collect(node, segments) : []))
      .map(({ route, conditions }) => ({ route, unmet: conditions.find((condition) => !condition.isMet(request)) }))
  }

  #add(route: T): void {
    const { match = {} } = route.spec
    const leaf: Leaf<T> = { route, conditions: conditionsOf(route.spec), specificity: specificityOf(route.spec) }
    for (const host of match.hosts ?? [undefined]) {
      const root = this.#rootOf(host?.toLowerCase())
      const { segments, hasRest } = readPattern(match.path)
      const node = segments.reduce(nextNode, root)
      const leaves = hasRest ? node.rests : node.ends
      leaves.push(leaf)
      leaves.sort((one, other) => other.specificity - one.specificity)
    }
  }

  #rootOf(host: string | undefined): PathNode<T> {
    if (host === undefined) return this.#any
    const isWildcard = host.startsWith('*.')
    return getOrAdd(isWildcard ? this.#wildcards : this.#exact, isWildcard ? host.slice(2) : host)
  }
}

function nextNode<T>(node: PathNode<T>, segment: string | typeof anySegment): PathNode<T> {
  if (segment !== anySegment) return getOrAdd(node.texts, segment)
  node.placeholder ??= new PathNode()
  return node.placeholder
}

function getOrAdd<T>(nodes: Map<string, PathNode<T>>, key: string): PathNode<T> {
  let node = nodes.get(key)
  if (!node) {
    node = new PathNode()
    nodes.set(key, node)
  }
  return node
}

/** `example.com.` is the same host as `example.com`. */
function withoutDot(host: string): string {
  return host.endsWith('.') ? host.slice(0, -1) : host
}

/**
 * The first route below a node that takes the rest of the path, in the order of precedence. Each node of the tree is visited
 * once at most.
 *
 * @param from start of the next segment
 * @param end end of the path; the last segment ends there
 */
function search<T>(node: PathNode<T>, request: RoutedRequest, from: number, end: number): T | undefined {
  if (from > end) return firstMet(node.ends, request) ?? firstMet(node.rests, request)
  const { path } = request
  let stop = path.indexOf('/', from)
  if (stop < 0 || stop > end) stop = end
  if (node.texts.size > 0) {
    const text = node.texts.get(canonicalSegment(path.slice(from, stop)))
    const found = text && search(text, request, stop + 1, end)
    if (found) return found
  }
  if (node.placeholder && stop > from) {
    const found = search(node.placeholder, request, stop + 1, end)
    if (found) return found
  }
  return firstMet(node.rests, request)
}

function firstMet<T>(leaves: readonly Leaf<T>[], request: RoutedRequest): T | undefined {
  for (let index = 0; index < leaves.length; index++) {
    const leaf = leaves[index] as Leaf<T>
    if (meetsAll(leaf.conditions, request)) return leaf.route
  }
  return undefined
}

function meetsAll(conditions: readonly RouteCondition[], request: RoutedRequest): boolean {
  for (let index = 0; index < conditions.length; index++) {
    if (!(conditions[index] as RouteCondition).isMet(request)) return false
  }
  return true
}

/** All routes that take these segments, in the order of precedence. */
function collect<T>(node: PathNode<T>, [segment, ...rest]: readonly string[]): Leaf<T>[] {
  if (segment === undefined) return [...node.ends, ...node.rests]
  const text = node.texts.get(segment)
  return [
    ...(text ? collect(text, rest) : []),
    ...(node.placeholder && segment !== '' ? collect(node.placeholder, rest) : []),
    ...node.rests,
  ]
}

import { checkOneOf, invalidError } from '@sd/core'
import type { FilterFactory } from '../filters/filter.ts'
import type { GatewayProtocol } from '../protocol.ts'
import { isStreamRoute } from '../streams/stream-routes.ts'
import { placeholdersOf } from './check-match.ts'
import { checkStreamRoute } from './check-streams.ts'
import type { Problems } from './problems.ts'
import type { RouteSpec } from './table.ts'

/** The names that a table may refer to. */
export interface TableNames {
  /** Registered filters. @default none */
  readonly filters?: Readonly<Record<string, FilterFactory>>
  /** Registered rate limiters. @default none */
  readonly rateLimiters?: Readonly<Record<string, unknown>>
  /** Protocols beside HTTP. @default not known: neither they nor their options are checked */
  readonly protocols?: readonly GatewayProtocol[]
  /** Keys of affinity cookies. @default none */
  readonly affinityKeys?: readonly unknown[] | undefined
}

/** Checks what one field of a route says about another, and the names that it refers to. */
export function checkReferences(
  path: string,
  route: RouteSpec,
  listeners: ReadonlySet<string>,
  names: TableNames,
  problems: Problems,
): void {
  checkAction(path, route, problems)
  checkPaths(path, route, problems)
  const refuse = (field: string, got: unknown, want: string): void => problems.add(invalidError(`${path}.${field}`, got, want))
  for (const [index, listener] of (route.listeners ?? []).entries()) {
    if (!listeners.has(listener)) refuse(`listeners[${index}]`, listener, 'the name of a listener')
  }
  for (const [index, { filter }] of (route.filters ?? []).entries()) {
    if (!hasName(names.filters, filter)) refuse(`filters[${index}].filter`, filter, `one of ${listNames(names.filters)}`)
  }
  const limiter = route.limits?.rate?.limiter
  if (limiter !== undefined && !hasName(names.rateLimiters, limiter)) {
    refuse('limits.rate.limiter', limiter, `one of ${listNames(names.rateLimiters)}`)
  }
  checkProtocol(path, route, names, problems)
  if (isStreamRoute(route, names.protocols)) checkStreamRoute(path, route, problems)
  if (!route.affinity) return
  const { cookie, sameSite, secure, path: cookiePath = '/' } = route.affinity
  if (!names.affinityKeys?.length) refuse('affinity', 'an affinity', 'affinityKeys in the options of the gateway')
  if (sameSite === 'none' && secure !== true) refuse('affinity.secure', secure, 'true with sameSite none: browsers want it')
  if (cookie.startsWith('__Secure-') && secure !== true) refuse('affinity.secure', secure, `true for ${cookie}`)
  if (cookie.startsWith('__Host-') && (secure !== true || cookiePath !== '/')) {
    refuse('affinity.secure', secure, `true, and the path /, for ${cookie}`)
  }
}

function checkProtocol(path: string, { match, options }: RouteSpec, { protocols }: TableNames, problems: Problems): void {
  if (!protocols) return
  const known = ['http', ...protocols.map(({ name }) => name)]
  if (match?.protocol !== undefined) problems.attempt(() => checkOneOf(`${path}.match.protocol`, match.protocol, known))
  const protocol = protocols.find(({ name }) => name === match?.protocol)
  if (protocol?.checkOptions) problems.attempt(() => protocol.checkOptions?.(options, `${path}.options`))
  else if (options !== undefined)
    problems.add(invalidError(`${path}.options`, 'options', 'them only with a match.protocol that has some'))
}

const forwardOnly = ['mirror', 'rewrite', 'affinity', 'timeouts'] as const

function checkAction(path: string, route: RouteSpec, problems: Problems): void {
  const actions = (['forward', 'redirect', 'respond'] as const).filter((key) => route[key] !== undefined)
  if (actions.length !== 1) {
    const got = actions.length === 0 ? 'none of them' : actions.join(' and ')
    problems.add(invalidError(path, got, 'exactly one of forward, redirect and respond'))
  }
  if (route.forward === undefined) {
    for (const key of forwardOnly) {
      if (route[key] !== undefined) problems.add(invalidError(`${path}.${key}`, 'it without forward', 'it only with forward'))
    }
  } else if ([route.forward].flat().every(({ weight }) => weight === 0)) {
    problems.add(invalidError(`${path}.forward`, 'only targets with weight 0', 'a target with a weight above 0'))
  }
}

/** Rewrites and redirects refer to the path of the match. */
function checkPaths(path: string, { match, rewrite, redirect }: RouteSpec, problems: Problems): void {
  const matched = match?.path ?? '/*'
  const known = placeholdersOf(matched)
  for (const [name, spec] of Object.entries({ rewrite, redirect })) {
    if (!spec) continue
    if (spec.path !== undefined && spec.prefix !== undefined) {
      problems.add(invalidError(`${path}.${name}`, 'path and prefix', 'one of path and prefix'))
    }
    if (spec.prefix !== undefined && !matched.endsWith('/*')) {
      problems.add(invalidError(`${path}.${name}.prefix`, spec.prefix, 'it only with a match.path that ends with /*'))
    }
    for (const key of ['path', 'prefix'] as const) {
      for (const placeholder of placeholdersOf(spec[key] ?? '')) {
        if (known.includes(placeholder)) continue
        problems.add(invalidError(`${path}.${name}.${key}`, `{${placeholder}}`, 'a placeholder of match.path'))
      }
    }
  }
}

function hasName(names: Readonly<Record<string, unknown>> | undefined, name: string): boolean {
  return names !== undefined && Object.hasOwn(names, name)
}

function listNames(names: Readonly<Record<string, unknown>> = {}): string {
  return Object.keys(names).join(', ') || 'those in the options of the gateway, which has none'
}

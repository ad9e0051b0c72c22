import type { RateLimiter } from '@sd/core'
import type { AffinityKey } from '../affinity/affinity-keys.ts'
import { createCookieFilter } from '../affinity/cookie-field.ts'
import { RouteAffinity } from '../affinity/route-affinity.ts'
import { createFilters, type FilterParts } from '../filters/create-filters.ts'
import type { GatewayFilter } from '../filters/filter.ts'
import { FilterSet } from '../filters/filter-set.ts'
import { compileHeaderRules } from '../filters/header-rules.ts'
import { createConcurrencyFilter, createRateFilter } from '../filters/limit-filters.ts'
import { RouteMirror } from '../mirror/route-mirror.ts'
import type { GatewayProtocol } from '../protocol.ts'
import { StreamLimits } from '../streams/stream-limits.ts'
import { isStreamRoute } from '../streams/stream-routes.ts'
import type { Problems } from '../table/problems.ts'
import type { ForwardTarget, RouteSpec } from '../table/table.ts'
import type { CompiledRoute, RouteAction } from './compiled-table.ts'
import type { CompiledTarget } from './compiled-target.ts'
import { compileSelector } from './instance-selector.ts'
import { compilePathRule } from './path-rewrite.ts'
import { createWeightedChoice } from './weighted-choice.ts'

/** What routes are made of, from the options of the gateway. */
export interface TableParts extends FilterParts {
  readonly rateLimiters: Readonly<Record<string, RateLimiter>>
  readonly affinityKeys: readonly AffinityKey[]
  readonly protocols: readonly GatewayProtocol[]
}

/** Where a route is compiled. */
export interface RouteScope {
  /** Path of the route in the table. */
  readonly path: string
  readonly parts: TableParts
  /** Filters of the same route in the table before, if they stay. */
  readonly kept: FilterSet | undefined
  readonly problems: Problems
  /** Affinity cookies of all routes. */
  readonly cookies: readonly string[]
}

/** Prepares a route for requests. What its filters refuse goes to `problems`. */
export function compileRoute(spec: RouteSpec, { path, parts, kept, problems, cookies }: RouteScope): CompiledRoute {
  const { rewrite, match, mirror, headers } = spec
  const userFilters = kept ?? new FilterSet(createFilters(spec, path, parts, problems))
  return {
    spec,
    userFilters,
    filters: [...createOwnFilters(spec, parts, cookies), ...userFilters.filters],
    action: compileAction(spec, parts),
    streams: isStreamRoute(spec, parts.protocols) ? new StreamLimits(spec, parts.rateLimiters) : undefined,
    mirror: mirror && new RouteMirror(mirror),
    changeResponse: compileHeaderRules(headers?.response),
    rewritePath: compilePathRule(match?.path, rewrite ?? {}) ?? ((given) => given),
  }
}

/** The rules of the route itself come before its filters: these see the fields that rules have set, and not the removed ones. */
function createOwnFilters(
  { name, limits = {}, headers, forward, affinity }: RouteSpec,
  { rateLimiters }: TableParts,
  cookies: readonly string[],
): GatewayFilter[] {
  const { concurrency, rate } = limits
  const limiter = rate && rateLimiters[rate.limiter]
  const change = compileHeaderRules(headers?.request)
  const others = forward === undefined ? [] : cookies.filter((cookie) => cookie !== affinity?.cookie)
  return [
    ...(concurrency === undefined ? [] : [createConcurrencyFilter(name, concurrency)]),
    ...(rate && limiter ? [createRateFilter(name, limiter, rate)] : []),
    ...(others.length > 0 ? [createCookieFilter(others)] : []),
    ...(change ? [{ onRequest: (exchange) => void change(exchange) } satisfies GatewayFilter] : []),
  ]
}

function compileAction({ forward, redirect, respond, match, affinity }: RouteSpec, { affinityKeys }: TableParts): RouteAction {
  if (redirect) return { kind: 'redirect', redirect, toPath: compilePathRule(match?.path, redirect) ?? ((path) => path) }
  if (respond) return { kind: 'respond', response: respond }
  const specs = [forward ?? []].flat()
  const targets = specs.map(compileTarget)
  const pickOther = createWeightedChoice(targets.map((value, index) => ({ value, weight: specs[index]?.weight ?? 1 })))
  if (!affinity) return { kind: 'forward', targets, pick: pickOther, pickStream: pickOther }
  const named = targets.map((target, index) => {
    const { weight = 1, instances } = specs[index] as ForwardTarget
    return { target, weight, selector: selectorText(instances) }
  })
  const sticky = new RouteAffinity(affinity, { targets: named, pickOther, keys: affinityKeys })
  return { kind: 'forward', targets, pick: (exchange) => sticky.pick(exchange), pickStream: pickOther }
}

/** The same for the same conditions in any order. */
function selectorText({ version = '', metadata = {} }: ForwardTarget['instances'] = {}): string {
  return JSON.stringify([version, Object.entries(metadata).sort(([one], [other]) => (one < other ? -1 : 1))])
}

function compileTarget({ service, instances }: ForwardTarget): CompiledTarget {
  return { service, accepts: compileSelector(instances) }
}

import { isDeepStrictEqual } from 'node:util'
import { toSdError } from '@sd/core'
import { groupByProtocol } from '../streams/stream-routes.ts'
import { isUnchanged } from '../table/copy-data.ts'
import { Problems } from '../table/problems.ts'
import type { ResolvedTable } from '../table/resolve-table.ts'
import type { RouteSpec } from '../table/table.ts'
import { compileRoute, type TableParts } from './compile-route.ts'
import type { CompiledRoute, CompiledTable } from './compiled-table.ts'
import { Router } from './router.ts'

const noParts: TableParts = { filters: {}, rateLimiters: {}, affinityKeys: [], protocols: [] }

/**
 * Prepares a table for requests. Routes that are the same as in the table before are kept as they are, and filters of routes
 * whose match, target and filters are the same.
 *
 * @throws SdError `SD_INVALID` with everything that filters refuse
 */
export function compileTable(table: ResolvedTable, parts: TableParts = noParts, before?: CompiledTable): CompiledTable {
  const problems = new Problems()
  const former = new Map(before?.routes.map((route) => [route.spec.name, route]))
  const routes: CompiledRoute[] = []
  const cookies = cookiesOf(table.routes)
  const isSame = isDeepStrictEqual(cookies, before && cookiesOf(before.routes.map(({ spec }) => spec)))
  for (const [index, spec] of table.routes.entries()) {
    const old = former.get(spec.name)
    if (old && isSame && isDeepStrictEqual(old.spec, spec)) {
      routes.push(old)
      continue
    }
    const kept = old && isUnchanged(old.spec, spec) ? old.userFilters : undefined
    try {
      routes.push(compileRoute(spec, { path: `routes[${index}]`, parts, kept, problems, cookies }))
    } catch (error) {
      problems.add(toSdError(error, 'SD_INVALID', `routes[${index}]`))
    }
  }
  try {
    problems.throwIfAny()
  } catch (error) {
    retireFilters({ routes }, before)
    throw error
  }
  const streams = new Map<string, Router<CompiledRoute>>()
  for (const [protocol, group] of groupByProtocol(routes, parts.protocols)) streams.set(protocol, new Router(group))
  const router = streams.get('http') ?? new Router([])
  return { version: (before?.version ?? 0) + 1, routes, router, streams }
}

/** Closes the filters of a table that the other one does not have, once no exchange uses them. */
export function retireFilters({ routes }: Pick<CompiledTable, 'routes'>, other: Pick<CompiledTable, 'routes'> | undefined): void {
  const used = new Set(other?.routes.map(({ userFilters }) => userFilters))
  for (const { userFilters } of routes) if (!used.has(userFilters)) userFilters.retire()
}

/** Names of the affinity cookies of a table. */
function cookiesOf(routes: readonly RouteSpec[]): string[] {
  return [...new Set(routes.flatMap(({ affinity }) => affinity?.cookie ?? []))].sort()
}

import { invalidError, prefixField, toSdError } from '@sd/core'
import type { Problems } from '../table/problems.ts'
import type { FilterSpec, RouteSpec } from '../table/table.ts'
import type { FilterFactory, GatewayFilter } from './filter.ts'

/** Creates the filters of a route. What their factories refuse goes to `problems`. @param path of the route in the table */
export function createFilters(
  { name, match, filters = [] }: RouteSpec,
  path: string,
  factories: Readonly<Record<string, FilterFactory>>,
  problems: Problems,
): GatewayFilter[] {
  return filters.flatMap(({ filter, ...options }: FilterSpec, index) => {
    const at = `${path}.filters[${index}]`
    try {
      const created = factories[filter]?.(options, { route: name, path: at, match })
      if (typeof created !== 'object' || created === null) throw invalidError(at, created, `a filter from the factory ${filter}`)
      return [created]
    } catch (error) {
      problems.add(toSdError(isOwn(error, at) ? error : prefixField(at, error), 'SD_INVALID', `Invalid ${at}`))
      return []
    }
  })
}

/** Whether an error has the whole path already. */
function isOwn(error: unknown, path: string): boolean {
  return error instanceof Error && 'field' in error && String(error.field).startsWith(path)
}

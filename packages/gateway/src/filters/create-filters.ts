import { invalidError, prefixField, toSdError } from '@sd/core'
import type { Problems } from '../table/problems.ts'
import type { FilterSpec, RouteSpec } from '../table/table.ts'
import type { FilterFactory, FilterScope, GatewayFilter } from './filter.ts'

/** What filters are created with. */
export interface FilterParts {
  readonly filters: Readonly<Record<string, FilterFactory>>
  /** See `FilterScope`. */
  readonly fetch?: FilterScope['fetch']
}

/** Creates the filters of a route. What their factories refuse goes to `problems`. @param path of the route in the table */
export function createFilters(
  { name, match, filters = [] }: RouteSpec,
  path: string,
  { filters: factories, fetch }: FilterParts,
  problems: Problems,
): GatewayFilter[] {
  return filters.flatMap(({ filter, ...options }: FilterSpec, index) => {
    const at = `${path}.filters[${index}]`
    try {
      const created = factories[filter]?.(options, { route: name, path: at, match, fetch })
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

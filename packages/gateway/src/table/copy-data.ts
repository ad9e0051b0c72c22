import { isDeepStrictEqual } from 'node:util'
import type { RouteSpec } from './table.ts'

/** A frozen copy of plain data. Functions, such as sources of certificates, stay the same. */
export function copyData<T>(data: T): T {
  if (typeof data !== 'object' || data === null) return data
  if (Array.isArray(data)) return Object.freeze(data.map(copyData)) as T
  const entries = Object.entries(data).filter(([, value]) => value !== undefined)
  return Object.freeze(Object.fromEntries(entries.map(([key, value]) => [key, copyData(value)]))) as T
}

/**
 * Whether a route is unchanged in what decides about its connections: match, target and filters. Filters keep their state
 * then, and upgraded connections continue. The order of keys has no effect.
 */
export function isUnchanged(before: RouteSpec, after: RouteSpec): boolean {
  return (
    isDeepStrictEqual(before.match, after.match) &&
    isDeepStrictEqual(before.listeners, after.listeners) &&
    isDeepStrictEqual(before.forward, after.forward) &&
    isDeepStrictEqual(before.filters, after.filters)
  )
}

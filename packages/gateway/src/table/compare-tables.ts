import { isDeepStrictEqual } from 'node:util'
import type { ResolvedTable } from './resolve-table.ts'

/** Names of the routes or listeners of a new table, compared with the table before. */
export interface TableChange {
  /** Names that the table before did not have. */
  readonly added: readonly string[]
  /** Names of parts that are different. */
  readonly changed: readonly string[]
  /** Names that only the table before had. */
  readonly removed: readonly string[]
  /** Names of parts that are deeply equal. */
  readonly unchanged: readonly string[]
}

/** What a new table changed. */
export interface GatewayChange {
  /** Version of the table, which is in effect. */
  readonly version: number
  /** Names of routes. */
  readonly routes: TableChange
  /** Names of listeners. */
  readonly listeners: TableChange
}

/** Compares two tables by the names of their parts. A part is unchanged if it is deeply equal. */
export function compareTables(before: ResolvedTable, after: ResolvedTable): Omit<GatewayChange, 'version'> {
  return {
    routes: compareParts(before.routes, after.routes),
    listeners: compareParts(before.listeners, after.listeners),
  }
}

function compareParts<Part extends { readonly name: string }>(before: readonly Part[], after: readonly Part[]): TableChange {
  const rest = new Map(before.map((part) => [part.name, part]))
  const change = { added: [] as string[], changed: [] as string[], unchanged: [] as string[] }
  for (const part of after) {
    const known = rest.get(part.name)
    rest.delete(part.name)
    change[known === undefined ? 'added' : isDeepStrictEqual(known, part) ? 'unchanged' : 'changed'].push(part.name)
  }
  return { ...change, removed: [...rest.keys()] }
}

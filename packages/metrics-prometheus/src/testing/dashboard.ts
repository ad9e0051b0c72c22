import { readFileSync } from 'node:fs'

/** Where a panel is, in cells. */
export interface GridPosition {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

/** The parts of the dashboard that tests read. */
interface Dashboard {
  readonly panels: readonly {
    readonly type: string
    readonly title: string
    readonly gridPos: GridPosition
    readonly targets?: readonly { readonly expr: string }[]
  }[]
  readonly templating: { readonly list: readonly { readonly query: string | { readonly query: string } }[] }
}

const text = readFileSync(new URL('../../dashboard.json', import.meta.url), 'utf8')
const { panels, templating } = JSON.parse(text) as Dashboard

/** All expressions of the panels. */
export function readExpressions(): readonly string[] {
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
}

/** The queries for the values of the variables. */
export function readVariableQueries(): readonly string[] {
  return templating.list.flatMap(({ query }) => (typeof query === 'string' ? [] : [query.query]))
}

/** Titles of its rows. */
export function readRowTitles(): readonly string[] {
  return panels.filter(({ type }) => type === 'row').map(({ title }) => title)
}

/** Where its panels are. */
export function readGridPositions(): readonly GridPosition[] {
  return panels.map(({ gridPos }) => gridPos)
}

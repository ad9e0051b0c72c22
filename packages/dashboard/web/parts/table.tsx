import type { ComponentChildren, JSX } from 'preact'
import { count } from '../data/format.ts'
import { parameter, setParameters } from '../data/route.ts'

/** Rows that are drawn at first, and at most. */
const firstRows = 100
const mostRows = 2_000

/** A column of a table. */
export interface Column<Row> {
  readonly name: string
  readonly cell: (row: Row) => ComponentChildren
  /** Value to sort by. Without it the column is not sorted. */
  readonly sort?: (row: Row) => number | string
  /** Numbers are aligned at the right. */
  readonly isNumber?: boolean
}

/** A table that is sorted by its columns. The first column is the heading of its row. Sorting and length are in the address. */
export function Table<Row>({
  name,
  rows,
  columns,
  keyOf,
  empty,
}: {
  /** Name for screen readers, and for the parameters of the address. */
  readonly name: string
  readonly rows: readonly Row[]
  readonly columns: readonly Column<Row>[]
  readonly keyOf: (row: Row) => string
  /** Shown if there are no rows. */
  readonly empty: ComponentChildren
}): JSX.Element {
  const id = name.toLowerCase().replace(/[^a-z]+/g, '-')
  const sorted = parameter(`${id}.sort`)
  const isAll = parameter(`${id}.rows`) === 'all'
  if (rows.length === 0) return <>{empty}</>
  const shown = sortRows(rows, columns, sorted).slice(0, isAll ? mostRows : firstRows)
  const left = rows.length - shown.length

  function header(column: Column<Row>): JSX.Element {
    const isSorted = sorted.replace(/^-/, '') === column.name
    const direction = !isSorted ? 'none' : sorted.startsWith('-') ? 'descending' : 'ascending'
    // Numbers begin with the largest.
    const next = isSorted && sorted.startsWith('-') !== (column.isNumber === true) ? '' : isSorted ? flip(sorted) : first(column)
    return (
      <th key={column.name} scope="col" class={column.isNumber ? 'number' : ''} aria-sort={column.sort ? direction : undefined}>
        {column.sort ? (
          <button type="button" class="sort" onClick={() => setParameters({ [`${id}.sort`]: next })}>
            {column.name}
            <span aria-hidden="true">{direction === 'none' ? '' : direction === 'ascending' ? ' ↑' : ' ↓'}</span>
          </button>
        ) : (
          column.name
        )}
      </th>
    )
  }

  return (
    <section class="table" aria-label={name} tabIndex={0}>
      <table>
        <thead>
          <tr>{columns.map(header)}</tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ name: columnName, cell, isNumber }, index) =>
                index === 0 ? (
                  <th key={columnName} scope="row">
                    {cell(row)}
                  </th>
                ) : (
                  <td key={columnName} class={isNumber ? 'number' : ''}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {left > 0 && (
        <p class="more">
          {count(left, 'more row')}. {isAll ? 'Filter to see others.' : ''}{' '}
          {!isAll && (
            <button type="button" onClick={() => setParameters({ [`${id}.rows`]: 'all' })}>
              Show {Math.min(rows.length, mostRows).toLocaleString('en')} rows
            </button>
          )}
        </p>
      )}
    </section>
  )
}

function first<Row>({ name, isNumber }: Column<Row>): string {
  return isNumber ? `-${name}` : name
}

function flip(sorted: string): string {
  return sorted.startsWith('-') ? sorted.slice(1) : `-${sorted}`
}

function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sorted: string): readonly Row[] {
  const by = columns.find(({ name }) => name === sorted.replace(/^-/, ''))?.sort
  if (!by) return rows
  const sign = sorted.startsWith('-') ? -1 : 1
  const keyed = rows.map((row) => ({ row, key: by(row) }))
  return keyed.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : 0)).map(({ row }) => row)
}

/** The filter of a list. It is in the address. */
export function Filter({
  label,
  hint,
  shown,
  all,
}: {
  readonly label: string
  readonly hint: string
  readonly shown: number
  readonly all: number
}): JSX.Element {
  return (
    <div class="filter">
      <input
        type="search"
        aria-label={label}
        placeholder={hint}
        value={parameter('q')}
        onInput={({ currentTarget }) => setParameters({ q: currentTarget.value })}
      />
      <output>
        {shown.toLocaleString('en')} of {all.toLocaleString('en')}
      </output>
    </div>
  )
}

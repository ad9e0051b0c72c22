import { type CleanLine, clean, fit } from './clean-line.ts'
import { type Column, styled } from './view.ts'

/** A cell with the number of spaces in front of it. */
export type PlacedCell = CleanLine & { readonly before: number }

const gap = 2
/** Columns are not made narrower than this. */
const narrowest = 8

/**
 * Places the cells of a table with a heading. Where it does not fit, optional columns are left out, the last one first;
 * then the widest columns are cut.
 */
export function layOutTable(
  columns: readonly Column[],
  rows: readonly (readonly CleanLine[])[],
  width: number,
): readonly (readonly PlacedCell[])[] {
  let shown = columns
    .map((column, index) => ({
      column,
      title: clean(styled('bold', column.title)),
      cells: rows.map((row) => row[index] ?? clean('')),
    }))
    .filter(({ cells }) => cells.some((cell) => cell.width > 0))
    .map((one) => ({ ...one, width: Math.max(one.title.width, ...one.cells.map((cell) => cell.width)) }))
  const total = (): number => shown.reduce((sum, one) => sum + one.width + gap, -gap)
  while (total() > width) {
    const dropped = shown.findLast(({ column }) => column.isOptional)
    if (!dropped) break
    shown = shown.filter((one) => one !== dropped)
  }
  while (total() > width) {
    const widest = shown.reduce((found, one) => (one.width > found.width ? one : found))
    if (widest.width <= narrowest) break
    const second = Math.max(narrowest, ...shown.filter((one) => one !== widest).map((one) => one.width))
    const next = Math.max(Math.min(second, widest.width - 1), widest.width - (total() - width))
    shown = shown.map((one) => (one === widest ? { ...one, width: next } : one))
  }
  return [shown.map(({ title }) => title), ...rows.map((_, row) => shown.map(({ cells }) => cells[row] as CleanLine))].map(
    (row) => placeRow(row, shown),
  )
}

function placeRow(
  row: readonly CleanLine[],
  columns: readonly { readonly column: Column; readonly width: number }[],
): readonly PlacedCell[] {
  let spaces = 0
  return row.map((cell, index) => {
    const { column, width } = columns[index] as { column: Column; width: number }
    const fitting = fit(cell, width)
    const padding = width - fitting.width
    const isRight = column.align === 'right'
    const before = spaces + (isRight ? padding : 0)
    spaces = gap + (isRight ? 0 : padding)
    return { ...fitting, before }
  })
}

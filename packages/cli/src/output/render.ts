import { styleText } from 'node:util'
import { type CleanLine, clean, fit, wrap } from './clean-line.ts'
import { cleanText } from './clean-text.ts'
import { layOutTable } from './table.ts'
import type { Block, Line, View } from './view.ts'

/** Where a view is printed. */
export interface Terminal {
  /** Columns; infinite where nothing needs to be cut, such as in a pipe. */
  readonly width: number
  /** Whether styles are written. */
  readonly hasColor: boolean
}

/** Renders a view as lines of text. */
export function render(view: View, terminal: Terminal): readonly string[] {
  return view.flatMap((block) => renderBlock(block, terminal))
}

function renderBlock(block: Block, terminal: Terminal): readonly string[] {
  switch (block.kind) {
    case 'lines':
      return block.lines.map((line) => write(fit(clean(line), terminal.width), terminal))
    case 'sentences':
      return block.lines.flatMap((line) => wrap(clean(line), terminal.width).map((part) => write(part, terminal)))
    case 'source':
      return cleanText(block.text, true).replace(/\n$/, '').split('\n')
    case 'fields':
      return renderFields(block.fields, terminal)
    case 'table':
      return layOutTable(
        block.columns,
        block.rows.map((row) => row.map(clean)),
        terminal.width,
      ).map((row) => writeRow(row, terminal))
  }
}

function renderFields(all: readonly (readonly [label: string, value: Line])[], terminal: Terminal): readonly string[] {
  const shown = all.map(([label, value]) => [clean(label), clean(value)] as const).filter(([, value]) => value.width > 0)
  const width = Math.max(0, ...shown.map(([label]) => label.width))
  return shown.map(([label, value]) => {
    const start = label.spans.map(({ text }) => text).join('') + ' '.repeat(width - label.width + 2)
    return start + write(fit(value, Math.max(1, terminal.width - width - 2)), terminal)
  })
}

function write({ spans }: CleanLine, { hasColor }: Terminal): string {
  return spans
    .map(({ text, style }) => (style && hasColor && text !== '' ? styleText(style, text, { validateStream: false }) : text))
    .join('')
    .trimEnd()
}

function writeRow(cells: readonly (CleanLine & { readonly before: number })[], terminal: Terminal): string {
  return cells
    .map((cell) => ' '.repeat(cell.before) + write(cell, terminal))
    .join('')
    .trimEnd()
}

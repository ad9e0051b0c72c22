import type { Writable } from 'node:stream'
import { writeData } from './envelope.ts'
import { render, type Terminal } from './render.ts'
import type { View } from './view.ts'

/** A stream to which a command writes; `process.stdout` is one. */
export interface OutputStream extends Writable {
  /** Whether it is a terminal. */
  readonly isTTY?: boolean
  /** Columns of the terminal. */
  readonly columns?: number
  /** Rows of the terminal. */
  readonly rows?: number
}

/** How results are printed. */
export interface PrinterOptions {
  readonly stream: OutputStream
  /** Name of the command, for JSON. */
  readonly command: string
  readonly isJson: boolean
  readonly hasColor: boolean
  /** What a later result does: it replaces the one before, or stands below it; `once` if there is none. */
  readonly mode: 'once' | 'replace' | 'append'
}

/** Prints the results of a command. */
export interface Printer {
  /** Prints a result; resolves when the stream takes more. */
  print(result: { readonly data: unknown; readonly view: View }): Promise<void>
}

/** Creates a printer. */
export function createPrinter({ stream, command, isJson, hasColor, mode }: PrinterOptions): Printer {
  const redraws = mode === 'replace' && stream.isTTY === true && !isJson
  let printed: readonly string[] | undefined
  return {
    async print({ data, view }) {
      if (isJson) return writeTo(stream, writeData(command, data))
      const lines = render(view, terminalOf(stream, hasColor))
      const shown = redraws ? cutToRows(lines, stream.rows) : lines
      let start = ''
      if (printed && redraws) start = printed.length > 0 ? `\u001b[${printed.length}A\u001b[J` : ''
      else if (printed && mode !== 'append') start = '\n'
      printed = shown
      await writeTo(stream, start + shown.map((line) => `${line}\n`).join(''))
    },
  }
}

/** The terminal behind a stream. In a pipe nothing is cut. */
function terminalOf({ isTTY, columns }: OutputStream, hasColor: boolean): Terminal {
  return { width: isTTY ? Math.max(20, columns ?? 80) : Number.POSITIVE_INFINITY, hasColor }
}

/** The cursor can't go up past the first row, so a longer view could not be replaced. */
function cutToRows(lines: readonly string[], rows: number = 24): readonly string[] {
  if (lines.length < rows) return lines
  const kept = lines.slice(0, Math.max(1, rows - 2))
  return [...kept, `… ${lines.length - kept.length} more lines`]
}

/** Writes a text; resolves once the stream has passed it on, or can't. */
export async function writeTo(stream: Writable, text: string): Promise<void> {
  if (text === '' || !stream.writable) return
  await new Promise<void>((resolve) => void stream.write(text, () => resolve()))
}

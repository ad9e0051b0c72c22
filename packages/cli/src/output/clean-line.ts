import { cleanText } from './clean-text.ts'
import { displayWidth, truncate } from './display-width.ts'
import type { Line, Span, Style } from './view.ts'

/** Spans of one line with cleaned texts, and their width. */
export interface CleanLine {
  readonly spans: readonly { readonly text: string; readonly style?: Style }[]
  readonly width: number
}

/** Cleans the texts of a line. */
export function clean(line: Line): CleanLine {
  const spans = (isList(line) ? line : [line]).map((span) =>
    typeof span === 'string' ? { text: cleanText(span) } : { text: cleanText(span.text), style: span.style },
  )
  return { spans, width: spans.reduce((sum, { text }) => sum + displayWidth(text), 0) }
}

function isList(line: Line): line is readonly Span[] {
  return Array.isArray(line)
}

/** Cuts a line to a width. */
export function fit(line: CleanLine, width: number): CleanLine {
  if (line.width <= width) return line
  let left = width
  const spans = []
  for (const span of line.spans) {
    const own = displayWidth(span.text)
    // One column stays for the dots, unless this is the last span and fits.
    const isCut = own > left || (own === left && span !== line.spans.at(-1))
    spans.push(isCut ? { ...span, text: truncate(`${span.text} `, left) } : span)
    if (isCut) break
    left -= own
  }
  return { spans, width }
}

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

const indent = 4

/** Breaks a line between words. A word that is longer than a line is cut. */
export function wrap(line: CleanLine, width: number): readonly CleanLine[] {
  if (line.width <= width) return [line]
  const words = line.spans.flatMap(({ text, ...rest }) =>
    text.split(/(?<= )(?! )/).map((word) => ({ ...rest, text: word, width: displayWidth(word) })),
  )
  const broken: CleanLine[] = []
  let spans: CleanLine['spans'][number][] = []
  let used = 0
  const end = (): void => {
    broken.push(fit({ spans, width: used }, width))
  }
  for (const word of words) {
    if (used > indent && used + displayWidth(word.text.trimEnd()) > width) {
      end()
      spans = [{ text: ' '.repeat(indent) }]
      used = indent
    }
    spans.push(word)
    used += word.width
  }
  end()
  return broken
}

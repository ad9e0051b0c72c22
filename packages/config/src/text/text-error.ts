/** A text that can't be read, with the place. The message never quotes the text, which may be secret. */
export class TextError extends Error {
  /** Line, from 1, if known. */
  readonly line: number | undefined
  /** Column, from 1, if known. */
  readonly column: number | undefined

  constructor(reason: string, line?: number | undefined, column?: number | undefined) {
    super(reason)
    this.line = line
    this.column = column
  }
}

/**
 * Rejects a carriage return without a newline, as in files of old Macs. Parsers don't treat it as the end of a line, so the
 * text after it would become part of a comment or value.
 *
 * @throws TextError with the place
 */
export function checkNewlines(text: string): void {
  const found = /\r(?!\n)/.exec(text)
  if (!found) return
  const line = (text.slice(0, found.index).match(/\n/g)?.length ?? 0) + 1
  throw new TextError('has a carriage return without a newline after it', line)
}

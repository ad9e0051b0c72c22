/** Why a text can't be read, and where. Its message never quotes the text, which may be secret. */
export class TextError extends Error {
  /** Line, from 1, if it is known. */
  readonly line: number | undefined
  /** Column, from 1, if it is known. */
  readonly column: number | undefined

  constructor(reason: string, line?: number | undefined, column?: number | undefined) {
    super(reason)
    this.line = line
    this.column = column
  }
}

/**
 * Refuses a carriage return without a newline after it, as old Macs wrote them: where it does not end a line, what follows it would be lost in a
 * comment or a value.
 *
 * @throws TextError with the place
 */
export function checkNewlines(text: string): void {
  const found = /\r(?!\n)/.exec(text)
  if (!found) return
  const line = (text.slice(0, found.index).match(/\n/g)?.length ?? 0) + 1
  throw new TextError('has a carriage return without a newline after it', line)
}

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

/** Line and column of an offset, both from 1. */
export function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

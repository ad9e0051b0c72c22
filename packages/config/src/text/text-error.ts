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

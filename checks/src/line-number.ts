/** The number, from 1, of the line that has the character at `offset`. */
export function lineNumber(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

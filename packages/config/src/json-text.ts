import { placeOf, TextError } from './text-error.ts'
import { maxDepth } from './tree.ts'

/** Reads JSON. @throws TextError with the place, which `JSON.parse` doesn't always tell and never without quoting the text */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    scanJson(text)
    throw new TextError('is no valid JSON')
  }
}

/** Lines of the values of a JSON text, by path, from 1. @throws TextError at what is no JSON */
export function jsonLines(text: string): (keys: readonly string[]) => number | undefined {
  const offsets = scanJson(text)
  return (keys) => {
    const offset = offsets.get(JSON.stringify(keys))
    return offset === undefined ? undefined : placeOf(text, offset).line
  }
}

const space = /[ \t\n\r]*/y
const literal = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON allows none of them in a string.
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y

/** Walks over a JSON text (RFC 8259). @returns offsets of its values, by their path as JSON @throws TextError at what is no JSON */
function scanJson(text: string): Map<string, number> {
  const offsets = new Map<string, number>()
  let at = 0

  function fail(): never {
    const { line, column } = placeOf(text, at)
    throw new TextError(at < text.length ? 'is no valid JSON' : 'is no valid JSON: it ends too soon', line, column)
  }
  function match(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    at += found?.length ?? 0
    return found
  }
  function take(character: string): boolean {
    match(space)
    if (text[at] !== character) return false
    at++
    return true
  }
  function expect(character: string): void {
    if (!take(character)) fail()
  }
  function members(end: string, member: (index: number) => void): void {
    if (take(end)) return
    let index = 0
    do member(index++)
    while (take(','))
    expect(end)
  }
  function value(keys: readonly string[]): void {
    match(space)
    offsets.set(JSON.stringify(keys), at)
    if (keys.length > maxDepth) throw new TextError(`is nested more than ${maxDepth} levels deep`, placeOf(text, at).line)
    if (take('{')) {
      members('}', () => {
        match(space)
        const key = match(string) ?? fail()
        expect(':')
        value([...keys, JSON.parse(key) as string])
      })
    } else if (take('[')) members(']', (index) => value([...keys, String(index)]))
    else if (!match(string) && !match(literal)) fail()
  }

  value([])
  match(space)
  if (at < text.length) fail()
  return offsets
}

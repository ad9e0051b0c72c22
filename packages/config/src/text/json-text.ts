import { numberProblem } from './numbers.ts'
import { TextError } from './text-error.ts'
import { type Container, createTextBuilder, type TextTree } from './text-tree.ts'

const literal = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const space = /[ \t\n\r]*/y
const newline = /\n/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON allows none of them in a string.
const plainCharacters = /[^"\\\u0000-\u001f]*/y
const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/**
 * Parses a JSON text (RFC 8259) with an object at its top level. Unlike `JSON.parse` it reports the place of an error without
 * quoting the text, and rejects input that `JSON.parse` drops or changes: repeated keys, integers that a number can't hold,
 * numbers out of range.
 *
 * @throws TextError with the place
 */
export function parseJson(text: string): TextTree {
  const builder = createTextBuilder()
  return builder.finish(readJson(text, builder))
}

/** Parses any JSON value. @throws TextError with the place */
export function readJsonValue(text: string): unknown {
  return readJson(text, createTextBuilder())
}

function readJson(text: string, builder: ReturnType<typeof createTextBuilder>): unknown {
  let at = 0
  let line = 1
  let lineStart = 0

  function fail(reason?: string): never {
    const why = at < text.length ? 'is not valid JSON' : 'is not valid JSON: unexpected end'
    throw new TextError(reason ?? why, line, at - lineStart + 1)
  }
  function match(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    at += found?.length ?? 0
    return found
  }
  function skipSpace(): void {
    const start = at
    const found = match(space) as string
    if (!found.includes('\n')) return
    line += found.match(newline)?.length ?? 0
    lineStart = start + found.lastIndexOf('\n') + 1
  }
  function take(character: string): boolean {
    skipSpace()
    if (text[at] !== character) return false
    at++
    return true
  }
  function expect(character: string): void {
    if (!take(character)) fail()
  }
  function string(): string {
    const start = at
    if (text[at] !== '"') fail()
    at++
    match(plainCharacters)
    if (text[at] === '"') return text.slice(start + 1, at++)
    while (text[at] !== '"') {
      if (!match(escaped)) fail()
      match(plainCharacters)
    }
    at++
    return JSON.parse(text.slice(start, at)) as string
  }
  function scalar(): unknown {
    if (text[at] === '"') return string()
    const start = at
    const found = match(literal)
    if (!found) fail()
    if (found === 'true' || found === 'false') return found === 'true'
    if (found === 'null') return null
    const value = Number(found)
    const problem = numberProblem(found, value)
    if (problem) {
      at = start
      fail(problem)
    }
    return value
  }
  function value(depth: number): unknown {
    skipSpace()
    builder.checkDepth(depth, line)
    if (text[at] === '{') return members({}, '}', depth)
    if (text[at] === '[') return members([], ']', depth)
    return scalar()
  }
  function members(container: Container, end: string, depth: number): Container {
    at++
    if (take(end)) return container
    const isList = Array.isArray(container)
    do {
      skipSpace()
      const start = line
      const key = isList ? '' : string()
      if (!isList) expect(':')
      builder.add(container, key, value(depth + 1), start)
    } while (take(','))
    expect(end)
    return container
  }

  const root = value(0)
  skipSpace()
  if (at < text.length) fail()
  return root
}

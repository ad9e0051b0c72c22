import { parse, TomlError } from 'smol-toml'
import { isFinerThanDates, notFinite, numberProblem, tooFine } from './numbers.ts'
import { TextError } from './text-error.ts'
import { type Container, createTextBuilder, maxDepth, type TextTree } from './text-tree.ts'

/** Parses TOML 1.0; dates become strings. @throws TextError with the place */
export function parseToml(text: string): TextTree {
  const root = parseText(text)
  checkLiterals(text)
  const lines = tomlLines(text)
  const builder = createTextBuilder()

  function toPlain(value: unknown, path: string, depth: number, line: number | undefined): unknown {
    builder.checkDepth(depth, line)
    if (value instanceof Date) return value.toISOString()
    if (typeof value === 'number' && !Number.isFinite(value)) throw new TextError(notFinite, line)
    if (typeof value !== 'object' || value === null) return value
    const container: Container = Array.isArray(value) ? [] : {}
    for (const [key, item] of Object.entries(value)) {
      const inner = path === '' ? key : `${path}.${key}`
      const innerLine = lines.get(inner) ?? line
      builder.add(container, key, toPlain(item, inner, depth + 1, innerLine), innerLine)
    }
    return container
  }
  return builder.finish(toPlain(root, '', 0, undefined))
}

function parseText(text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw new TextError('is not valid TOML')
    // The message quotes the text after its first line.
    const reason = error.message.split('\n', 1)[0]?.replace('Invalid TOML document: ', '')
    throw new TextError(`is not valid TOML: ${reason}`, error.line, error.column)
  }
}

/** Matches strings, comments and headers, which are skipped, and the keys and values between them. */
const tokens =
  /"""(?:[^\\]|\\[\s\S])*?"{3,5}|'''[\s\S]*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|^[ \t]*\[[^\n]*|[^\s=,[\]{}"'#]+/gm

/** Rejects numbers and times that would change when read. The text is valid TOML. @throws TextError with the place */
function checkLiterals(text: string): void {
  for (const { 0: token, index } of text.matchAll(tokens)) {
    if (!/^[+-]?\d/.test(token) || !/[.e]/i.test(token)) continue
    let end = index + token.length
    while (text[end] === ' ' || text[end] === '\t') end++
    if (text[end] === '=') continue
    const literal = token.replaceAll('_', '')
    const problem = literal.includes(':') ? isFinerThanDates(literal) && tooFine : numberProblem(literal, Number(literal))
    if (problem) throw new TextError(problem, text.slice(0, index).split('\n').length)
  }
}

/** Line of each value of a TOML text, by path, from 1. Covers unquoted `key = value` lines under a `[table]` or `[[table]]`. */
function tomlLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>()
  const counts = new Map<string, number>()
  let table = ''
  let number = 0
  for (const line of text.split('\n')) {
    number++
    const list = /^\s*\[\[\s*([\w.-]+)\s*\]\]/.exec(line)?.[1]
    const header = list ?? /^\s*\[\s*([\w.-]+)\s*\]/.exec(line)?.[1]
    if (list !== undefined) {
      const index = counts.get(list) ?? 0
      counts.set(list, index + 1)
      table = `${list}.${index}.`
    } else if (header !== undefined) table = `${header}.`
    const key = header === undefined ? /^\s*([\w.-]+)\s*=/.exec(line)?.[1] : undefined
    if (header === undefined && key === undefined) continue
    const path = header === undefined ? `${table}${key}` : table.slice(0, -1)
    // A dotted name also creates its parent objects.
    let end = path.length
    for (let depth = 0; depth < maxDepth && end > 0 && !lines.has(path.slice(0, end)); depth++) {
      lines.set(path.slice(0, end), number)
      end = path.lastIndexOf('.', end - 1)
    }
  }
  return lines
}

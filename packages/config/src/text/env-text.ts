import { createFlatNames } from './flat-names.ts'
import { checkNewlines, TextError } from './text-error.ts'
import type { TextTree } from './text-tree.ts'

const assignment = /[ \t]*(?:export[ \t]+)?([^\s=#'"`]+)[ \t]*=[ \t]*/y
const toLineEnd = /[^\n]*/y
const commentOrNothing = /[ \t]*(?:#[^\n]*)?(?:\n|$)/y
const newlines = /\n/g

/**
 * Parses a .env text like `parseEnv` of `node:util`, on every runtime. `__` in names creates objects, and names become lower
 * case. Unlike `parseEnv` it rejects input that `parseEnv` drops or truncates: lines that are not an assignment, repeated names,
 * unclosed quotes, text after a quoted value, and a `#` without white space before it in an unquoted value.
 *
 * @throws TextError with the place
 */
export function parseDotEnv(given: string, isRelaxed: boolean): TextTree {
  const text = given.replaceAll('\r\n', '\n')
  checkNewlines(text)
  const names = createFlatNames(isRelaxed)
  let at = 0
  let line = 1

  function match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text) ?? undefined
    at += found?.[0].length ?? 0
    line += found?.[0].match(newlines)?.length ?? 0
    return found
  }
  function value(start: number): string {
    const quote = text[at]
    if (quote !== '"' && quote !== "'" && quote !== '`') return plainValue(match(toLineEnd)?.[0] ?? '', start)
    const end = text.indexOf(quote, at + 1)
    if (end < 0) throw new TextError('has an unclosed quote', start)
    const content = text.slice(at + 1, end)
    at = end + 1
    line += content.match(newlines)?.length ?? 0
    if (!match(commentOrNothing)) throw new TextError('has text after a quoted value', line)
    return quote === '"' ? content.replaceAll('\\n', '\n') : content
  }

  while (at < text.length) {
    if (match(commentOrNothing)) continue
    const start = line
    const name = match(assignment)?.[1]
    if (name === undefined) throw new TextError('has a line that is not an assignment', start)
    names.add({ keys: name.toLowerCase().split('__'), value: value(start), line: start })
  }
  return names.finish()
}

function plainValue(rest: string, line: number): string {
  const comment = rest.search(/#/)
  if (comment < 0) return rest.trim()
  if (comment > 0 && !/\s/.test(rest[comment - 1] as string))
    throw new TextError('has a # in an unquoted value, which would truncate it: quote the value', line)
  return rest.slice(0, comment).trim()
}

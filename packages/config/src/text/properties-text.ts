import { createFlatNames } from './flat-names.ts'
import { TextError } from './text-error.ts'
import type { TextTree } from './text-tree.ts'

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

/**
 * Reads a Java .properties text, by the rules of `java.util.Properties.load`. Dots in names make objects, and as in Spring Boot `[0]` in a name is
 * an index of a list and `[any.text]` one key. Unlike Java it refuses what Java drops in silence: repeated names, and a backslash before a letter
 * or digit that is not an escape.
 *
 * @throws TextError with the place
 */
export function parseProperties(text: string, isRelaxed: boolean): TextTree {
  const names = createFlatNames(isRelaxed)
  for (const { content, line } of logicalLines(text)) {
    const end = nameEnd(content)
    const separator = /^[ \t\f]*(?:[=:][ \t\f]*)?/.exec(content.slice(end, end + 1_024))?.[0] ?? ''
    let from = end + separator.length
    if (separator.length === 1_024) from += (/^[ \t\f]*/.exec(content.slice(from))?.[0] ?? '').length
    const keys = splitName(decode(content.slice(0, end), line), line)
    names.add({ keys, value: decode(content.slice(from), line), line })
  }
  return names.finish()
}

interface LogicalLine {
  readonly content: string
  readonly line: number
}

/** Lines without comments and blank ones, each joined with those that continue it. */
function* logicalLines(text: string): Generator<LogicalLine> {
  let parts: string[] = []
  let start = 0
  let number = 0
  let isContinued = false
  for (const natural of text.split(/\r\n|\n|\r/)) {
    number++
    const content = natural.replace(/^[ \t\f]+/, '')
    if (!isContinued) {
      if (content === '' || content.startsWith('#') || content.startsWith('!')) continue
      parts = []
      start = number
    }
    isContinued = endsWithBackslash(content)
    parts.push(isContinued ? content.slice(0, -1) : content)
    if (!isContinued) yield { content: parts.join(''), line: start }
  }
  if (isContinued) throw new TextError('ends with a backslash: a line is missing', number)
}

function endsWithBackslash(line: string): boolean {
  let count = 0
  while (line[line.length - 1 - count] === '\\') count++
  return count % 2 === 1
}

/** Where the name of a line ends: before the first `=`, `:` or white space that has no backslash. */
function nameEnd(content: string): number {
  const end = /[=: \t\f\\]/g
  for (;;) {
    const found = end.exec(content)
    if (!found) return content.length
    if (found[0] !== '\\') return found.index
    end.lastIndex = found.index + 2
  }
}

function decode(text: string, line: number): string {
  if (!text.includes('\\')) return text
  return text.replaceAll(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_, found: string) => {
    if (found.length > 1) return String.fromCharCode(Number.parseInt(found.slice(1), 16))
    if (found === 'u') throw new TextError('has a \\u without four hexadecimal digits', line)
    const known = escapes[found]
    if (known === undefined && /[A-Za-z0-9]/.test(found))
      throw new TextError('has a backslash before a character that is not an escape: write \\\\', line)
    return known ?? found
  })
}

/** The path of a name such as `db.hosts[0].port` or `labels[app.kubernetes.io/name]`. */
function splitName(name: string, line: number): readonly (string | number)[] {
  if (!name.includes('[') && !name.includes(']')) return name.split('.')
  const keys: (string | number)[] = []
  let rest = name
  while (rest !== '') {
    const [found, text, bracket, dot] = /^(?:([^.[\]]+)|\[([^[\]]+)\])(\.?)/.exec(rest) ?? []
    const next = found === undefined ? '' : rest.slice(found.length)
    const isEnd = next === ''
    // Only a bracket follows without a dot, and something must follow one.
    if (found === undefined || (dot === '.' ? isEnd || next.startsWith('[') : !isEnd && !next.startsWith('[')))
      throw new TextError('has a name with brackets that are not those of an index or a key', line)
    keys.push(text ?? (/^\d{1,9}$/.test(bracket ?? '') ? Number(bracket) : (bracket ?? '')))
    rest = next
  }
  if (typeof keys[0] === 'number') throw new TextError('has a name that begins with an index', line)
  return keys
}

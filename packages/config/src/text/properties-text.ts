import { createFlatNames } from './flat-names.ts'
import { TextError } from './text-error.ts'
import type { TextTree } from './text-tree.ts'

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

/**
 * Parses a Java .properties text by the rules of `java.util.Properties.load`. Dots in names create objects. As in Spring Boot,
 * `[0]` in a name is a list index and `[any.text]` is one key. Unlike Java it rejects input that Java silently drops: repeated
 * names, and a backslash before a letter or digit that is not an escape.
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

/** Logical lines without comments and blank lines, each joined with its continuation lines. */
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
  if (isContinued) throw new TextError('ends with a backslash: the continuation line is missing', number)
}

function endsWithBackslash(line: string): boolean {
  let count = 0
  while (line[line.length - 1 - count] === '\\') count++
  return count % 2 === 1
}

/** End of the name of a line: before the first `=`, `:` or white space without a backslash. */
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
      throw new TextError('has an unknown escape: write a backslash as \\\\', line)
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
    // Only a bracket can follow without a dot, and a dot must not be the end.
    if (found === undefined || (dot === '.' ? isEnd || next.startsWith('[') : !isEnd && !next.startsWith('[')))
      throw new TextError('has a name with malformed brackets', line)
    keys.push(text ?? (/^\d{1,9}$/.test(bracket ?? '') ? Number(bracket) : (bracket ?? '')))
    rest = next
  }
  if (typeof keys[0] === 'number') throw new TextError('has a name that starts with an index', line)
  return keys
}

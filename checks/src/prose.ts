import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { argv } from 'node:process'
import { parseSync, Visitor } from 'oxc-parser'
import { type GateResult, resultOf, root } from './gate.ts'
import { lineNumber } from './line-number.ts'
import { proseRules } from './prose-rules.ts'

// Finds the habits of wording that docs/style.md lists. `node checks/src/prose.ts <folder or file>…` prints them, without an argument those of
// the whole repository.

/** Longest line of a document, outside of tables and code; the address of a link is not counted. */
const maxLine = 200

/** Files and folders that are checked. */
const CHECKED: readonly string[] = [
  '.changeset',
  'CONTRIBUTING.md',
  'README.md',
  'SECURITY.md',
  'bench',
  'checks',
  'docs',
  'examples',
  'packages',
  'test',
  'vitest.config.ts',
  'vitest.package.ts',
  'vitest.process.ts',
  'vitest.setup.ts',
]

const patterns = ['**/*.md', '**/*.ts', '**/*.mts', '**/*.mjs']
const ignored = /(?:^|\/)(?:node_modules|dist|coverage|\.snippets|CHANGELOG\.md|checks\/src\/prose[^/]*)(?:\/|$)/

/** A place whose wording has to change. */
export interface ProseFinding {
  /** Line, from 1. */
  readonly line: number
  /** The words that were found. */
  readonly found: string
  /** The habit's name. */
  readonly habit: string
  /** What to write instead. */
  readonly instead: string
}

/** A piece of prose with its offset in the file; newlines are kept, so that lines can be counted. */
interface Piece {
  readonly text: string
  readonly offset: number
}

/** The habits in a text; `file` decides whether it is read as a document or as a source. */
export function findHabits(file: string, text: string): readonly ProseFinding[] {
  const isDocument = file.endsWith('.md')
  const pieces = isDocument ? documentPieces(text) : sourcePieces(file, text)
  const found = pieces.flatMap((piece) => findInPiece(piece, text))
  return (isDocument ? [...found, ...longLines(text)] : found).toSorted((a, b) => a.line - b.line)
}

function findInPiece({ text, offset }: Piece, whole: string): readonly ProseFinding[] {
  return proseRules.flatMap(({ habit, instead, pattern }) =>
    [...text.matchAll(pattern)].map(({ index, 0: match }) => ({
      line: lineNumber(whole, offset + index),
      found: match.replaceAll(/\s+/g, ' '),
      habit,
      instead,
    })),
  )
}

function longLines(text: string): readonly ProseFinding[] {
  return blankCode(text)
    .split('\n')
    .flatMap((line, index) => {
      const { length } = line.replaceAll(/\]\([^)]*\)/g, ']').trimEnd()
      if (length <= maxLine || line.startsWith('|')) return []
      return [
        {
          line: index + 1,
          found: `${length} characters`,
          habit: 'long line',
          instead: `at most ${maxLine}: one sentence per line, or a table`,
        },
      ]
    })
}

/** Paragraphs of a document without code, quotes of bad wording (struck through) and addresses; and the prose of its TypeScript. */
function documentPieces(text: string): readonly Piece[] {
  const prose = blankCode(text)
    .replaceAll(/~~[^~]*~~/g, blank)
    .replaceAll(/`[^`\n]*`/g, placeholder)
    .replaceAll(/\]\([^)]*\)/g, blank)
    .replaceAll(/<[^>\n]*>/g, blank)
  // A blank line, a list item and a cell of a table each begin a sentence of their own.
  const pieces = [...prose.matchAll(/(?:[^\n|]|\n(?!\s*\n|\s*(?:[-*>#|]|\d+\.) ?))+/g)].map((match) => ({
    text: match[0],
    offset: match.index,
  }))
  for (const { index, 1: fence = '', 2: code = '' } of text.matchAll(/^(```ts[^\n]*\n)(.*?)^```$/gms)) {
    const start = index + fence.length
    pieces.push(...sourcePieces('snippet.ts', code).map((piece) => ({ ...piece, offset: piece.offset + start })))
  }
  return pieces
}

/** Comments and texts of a source. */
function sourcePieces(file: string, text: string): readonly Piece[] {
  const pieces: Piece[] = []
  const { program, comments } = parseSync(file, text)
  let open: Piece | undefined
  for (const { start, end, type } of comments) {
    const raw = text.slice(start, end)
    const cleaned = raw
      .replaceAll(/^(?:\/\*+|\/\/+|[ \t]*\*(?!\/))/gm, blank)
      .replaceAll(/```.*?```/gs, blank)
      .replaceAll(/`[^`\n]*`|\{@link [^}]*\}/g, placeholder)
    const gap = open && text.slice(open.offset + open.text.length, start)
    if (type === 'Line' && open && gap !== undefined && /^\n?[ \t]*$/.test(gap)) {
      open = { text: `${open.text}${gap}${cleaned}`, offset: open.offset }
      pieces[pieces.length - 1] = open
    } else {
      open = { text: cleaned, offset: start }
      pieces.push(open)
    }
    if (type !== 'Line') open = undefined
  }
  const visitor = new Visitor({
    Literal({ start, end }) {
      const raw = text.slice(start, end)
      if (/^['"]/.test(raw) && isProse(raw))
        pieces.push({ text: raw.slice(1, -1).replaceAll(/`[^`]*`/g, placeholder), offset: start + 1 })
    },
    TemplateLiteral({ quasis, start, end }) {
      let joined = text.slice(start, end)
      const own = quasis.map((quasi) => [quasi.start - start, quasi.end - start] as const)
      joined = [...joined].length === joined.length ? keepOnly(joined, own) : joined
      if (isProse(joined)) pieces.push({ text: joined, offset: start })
    },
  })
  visitor.visit(program)
  return pieces
}

/** Replaces all but the given ranges by a placeholder of the same length. */
function keepOnly(text: string, ranges: readonly (readonly [number, number])[]): string {
  let result = ''
  let at = 0
  for (const [start, end] of ranges) {
    result += placeholder(text.slice(at, start)) + text.slice(start, end)
    at = end
  }
  return result + placeholder(text.slice(at))
}

function isProse(text: string): boolean {
  return /[a-z] [a-z]/i.test(text)
}

function blankCode(text: string): string {
  return text.replaceAll(/^[ ]*```.*?^[ ]*```$/gms, blank).replace(/^---\n.*?\n---\n/s, blank)
}

/** Spaces of the same length, with newlines kept. */
function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, ' ')
}

/** A placeholder of the same length that is not a word, so that the text before and after it is not read as one phrase. */
function placeholder(text: string): string {
  return text.replaceAll(/[^\n]/g, '_')
}

/** The files below the given paths that have prose. */
function listFiles(paths: readonly string[]): readonly string[] {
  const files = paths.flatMap((path) => {
    const absolute = resolve(root, path)
    if (!existsSync(absolute)) throw new Error(`${path} does not exist`)
    if (!statSync(absolute).isDirectory()) return [absolute]
    return globSync(patterns, { cwd: absolute, exclude: (name) => name === 'node_modules' || name === 'dist' }).map((file) =>
      join(absolute, file),
    )
  })
  return [...new Set(files.map((file) => relative(root, file)))].filter((file) => !ignored.test(file)).sort()
}

/** The findings below some paths, each as one line, and how many files were read. */
function checkPaths(paths: readonly string[]): { readonly files: number; readonly lines: readonly string[] } {
  const files = listFiles(paths)
  const lines = files.flatMap((file) =>
    findHabits(file, readFileSync(join(root, file), 'utf8')).map(
      ({ line, found, habit, instead }) => `${file}:${line}: "${found}" (${habit}): want ${instead}`,
    ),
  )
  return { files: files.length, lines }
}

/** Checks the prose of the whole repository. */
export async function checkProse(): Promise<GateResult> {
  const { files, lines } = checkPaths(CHECKED)
  return resultOf(files, lines)
}

if (import.meta.main) {
  const paths = argv.slice(2).map((path) => resolve(path))
  const { files, lines } = checkPaths(paths.length > 0 ? paths : CHECKED)
  process.stdout.write(`${[...lines, `${lines.length} findings in ${files} files`].join('\n')}\n`)
  process.exitCode = lines.length === 0 ? 0 : 1
}

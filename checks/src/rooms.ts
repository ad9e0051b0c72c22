import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { findCircles } from './circles.ts'
import { root } from './gate.ts'
import { lineNumber } from './line-number.ts'

const longestFunction = 100

/** Source files of the repository: path below the root and text. */
export type SourceFiles = ReadonlyMap<string, string>

/** Reads the TypeScript files of the repository, tests included. */
export function readSourceFiles(): SourceFiles {
  const files = globSync('{packages/*,test/*,examples/*,bench,checks}/src/**/*.ts', { cwd: root })
  return new Map(files.sort().map((file) => [file, readFileSync(join(root, file), 'utf8')]))
}

/** Functions with more than 100 lines: a line each. The blocks of `describe` do not count: each test in them is a function of its own. */
export function checkFunctionLengths(files: SourceFiles): readonly string[] {
  return [...files].flatMap(([file, text]) => longFunctions(file, text))
}

function longFunctions(file: string, text: string): readonly string[] {
  if (text.split('\n').length <= longestFunction) return []
  const blocks = new Set<number>()
  const problems: string[] = []
  function check({ start, end }: { readonly start: number; readonly end: number }): void {
    const lines = text.slice(start, end).split('\n').length
    if (lines <= longestFunction || blocks.has(start)) return
    problems.push(`${file}:${lineNumber(text, start)}: a function of ${lines} lines, want at most ${longestFunction}`)
  }
  new Visitor({
    CallExpression({ callee, arguments: given }) {
      if (/^describe\b/.test(text.slice(callee.start, callee.end))) for (const one of given) blocks.add(one.start)
    },
    FunctionDeclaration: check,
    FunctionExpression: check,
    ArrowFunctionExpression: check,
  }).visit(parseSync(file, text).program)
  return problems
}

/** Files that import each other in a circle, types included: a line for each circle. */
export function checkImportCircles(files: SourceFiles): readonly string[] {
  const next = (file: string): readonly string[] => importsOf(file, files.get(file) ?? '').filter((other) => files.has(other))
  return findCircles(files.keys(), next).map((circle) => `files import each other in a circle: ${circle.join(' → ')}`)
}

function importsOf(file: string, text: string): readonly string[] {
  const { staticImports, staticExports } = parseSync(file, text).module
  const targets = [
    ...staticImports.map((one) => one.moduleRequest),
    ...staticExports.flatMap(({ entries }) => entries.map((one) => one.moduleRequest)),
  ]
  return targets.flatMap((target) => (target?.value.startsWith('.') ? [join(dirname(file), target.value)] : []))
}

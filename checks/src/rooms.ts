import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { root } from './gate.ts'

const longestFunction = 100

/** Packages that still have long functions or circles of imports. The list only gets shorter. */
const known: readonly string[] = []

/** Source files of the repository: path below the root and text. */
export type SourceFiles = ReadonlyMap<string, string>

/** Reads the TypeScript files of the repository, tests included. */
export function readSourceFiles(): SourceFiles {
  const files = globSync('{packages/*,test/*,examples/*,bench,checks}/src/**/*.ts', { cwd: root })
  return new Map(files.sort().map((file) => [file, readFileSync(join(root, file), 'utf8')]))
}

/** Functions with more than 100 lines: a line each. The blocks of `describe` do not count: each test in them is a function of its own. */
export function checkFunctionLengths(files: SourceFiles): readonly string[] {
  return unknownOf([...files].flatMap(([file, text]) => longFunctions(file, text)))
}

function longFunctions(file: string, text: string): readonly string[] {
  if (text.split('\n').length <= longestFunction) return []
  const blocks = new Set<number>()
  const problems: string[] = []
  function check({ start, end }: { readonly start: number; readonly end: number }): void {
    const lines = text.slice(start, end).split('\n').length
    if (lines <= longestFunction || blocks.has(start)) return
    const line = text.slice(0, start).split('\n').length
    problems.push(`${file}:${line}: a function of ${lines} lines, want at most ${longestFunction}`)
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
  const circles: string[] = []
  const done = new Set<string>()
  function visit(file: string, path: readonly string[]): void {
    const before = path.indexOf(file)
    if (before >= 0) circles.push(`files import each other in a circle: ${[...path.slice(before), file].join(' → ')}`)
    if (before >= 0 || done.has(file)) return
    for (const other of importsOf(file, files.get(file) ?? '')) if (files.has(other)) visit(other, [...path, file])
    done.add(file)
  }
  for (const file of files.keys()) visit(file, [])
  return unknownOf(circles)
}

function unknownOf(problems: readonly string[]): readonly string[] {
  return problems.filter((problem) => !known.some((path) => problem.includes(path)))
}

function importsOf(file: string, text: string): readonly string[] {
  const { staticImports, staticExports } = parseSync(file, text).module
  const targets = [
    ...staticImports.map((one) => one.moduleRequest),
    ...staticExports.flatMap(({ entries }) => entries.map((one) => one.moduleRequest)),
  ]
  return targets.flatMap((target) => (target?.value.startsWith('.') ? [join(dirname(file), target.value)] : []))
}

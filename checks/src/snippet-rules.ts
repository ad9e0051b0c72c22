import { parseSync } from 'oxc-parser'
import { lineNumber } from './line-number.ts'

/** Output that a document shows for a snippet. */
export interface ShownOutput {
  /** What `// prints …` comments say, in order; each is a line of the output. */
  readonly lines: readonly string[]
  /** An output block right below, which is the whole output. */
  readonly whole: string | undefined
}

/**
 * Packages that the TypeScript of a document imports without an `npm install` line above it, and imports that a reader can't have:
 * relative ones, and files inside a package that are not its exports.
 */
export function checkImports(document: string, text: string): readonly string[] {
  const problems: string[] = []
  const reported = new Set<string>()
  for (const { 1: code = '', index } of text.matchAll(/^```ts[^\n]*\n(.*?)^```$/gms)) {
    const place = `${document}:${lineNumber(text, index)}`
    const installed = installedAbove(text.slice(0, index))
    for (const specifier of importsOf(code)) {
      if (specifier.startsWith('node:')) continue
      if (specifier.startsWith('.')) problems.push(`${place} imports ${specifier}, which the reader does not have`)
      const name = packageOf(specifier)
      if (specifier.startsWith('.') || installed.has(name) || reported.has(name)) continue
      reported.add(name)
      problems.push(`${place} imports ${name}: want it in an npm install line above`)
    }
  }
  return problems
}

/** Names in the `npm install` lines of a text. */
function installedAbove(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/npm install ([^\n`]*)/g)].flatMap(([, names = '']) => names.split(/\s+/)))
}

function importsOf(code: string): readonly string[] {
  const { module } = parseSync('snippet.ts', code)
  const dynamic = [...code.matchAll(/\bimport\('([^']+)'\)/g)].map(([, specifier = '']) => specifier)
  return [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => (moduleRequest ? [moduleRequest.value] : [])),
    ),
    ...dynamic,
  ]
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Lines of a guide that only work in a checkout of this repository. Links to its files are fine. */
export function checkNeedsNoRepository(document: string, text: string): readonly string[] {
  const withoutLinks = text.replaceAll(/\]\([^)]*\)/g, ']')
  return [
    ...withoutLinks.matchAll(
      /\bpnpm (?!add\b|install\b)[\w-]+|\bnpm (?:start\b|test\b|run start)|\b(?:packages|examples)\/[\w-]+/g,
    ),
  ].map(({ 0: found, index }) => `${document}:${lineNumber(withoutLinks, index)} needs this repository: ${found}`)
}

/** What a document says that the snippet at `index` prints: comments in it, and a block of text below a line with "prints". */
export function shownOutput(code: string, below: string): ShownOutput {
  const lines = [...code.matchAll(/\/\/ prints (.+)$/gm)].map(([, line = '']) => line.trim())
  const whole = /^\n*[^\n]*\bprints\b[^\n]*:\n+```text\n(.*?)^```$/ms.exec(below)
  return { lines, whole: whole?.index === 0 ? whole[1] : undefined }
}

/** The first difference between the output of a run and the shown output, otherwise `undefined`. In the shown output `…` matches anything. */
export function compareOutput({ lines, whole }: ShownOutput, output: string): string | undefined {
  if (whole !== undefined && !matcher(whole.trim()).test(output.trim()))
    return `printed:\n${output.trim()}\nwant:\n${whole.trim()}`
  const printed = output.split('\n')
  let at = 0
  for (const line of lines) {
    const pattern = matcher(line)
    while (at < printed.length && !pattern.test((printed[at] ?? '').trim())) at++
    if (at++ === printed.length) return `did not print "${line}", but:\n${output.trim()}`
  }
  return undefined
}

function matcher(shown: string): RegExp {
  const parts = shown.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's')
}

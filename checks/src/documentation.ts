import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { forEachLimited, type GateResult, resultOf, root, runCommand } from './gate.ts'
import { lineNumber } from './line-number.ts'
import { checkImports, checkNeedsNoRepository, compareOutput, type ShownOutput, shownOutput } from './snippet-rules.ts'

/** Folder of the snippets: inside this package, so that they resolve every package of the workspace. */
const workFolder = fileURLToPath(new URL('../.snippets', import.meta.url))
/** Longest time of a snippet. A busy machine needs several seconds to start one. */
const runLimitMs = 60_000
/** Folder of the compiled sources. The snippets share most of them: from the second on, a start takes half the time. */
const compileCache = join(workFolder, 'compiled')

/** A block of TypeScript in a document. */
export interface Snippet {
  /** Document and line, such as `README.md:12`. */
  readonly place: string
  /** The code. */
  readonly code: string
  /** Whether it is run; fences marked `ts no-run` are only compiled. */
  readonly runs: boolean
  /** Output that the document shows for it. */
  readonly shown: ShownOutput
}

/** The documents of the repository, as paths below the root. */
function listDocuments(): readonly string[] {
  return globSync(['*.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/*/README.md'], { cwd: root }).sort()
}

/** The TypeScript blocks of a document. */
export function extractSnippets(document: string, text: string): readonly Snippet[] {
  return [...text.matchAll(/^```ts( no-run)?\n(.*?)^```$/gms)].map(({ 0: fence, 1: mark, 2: code = '', index }) => ({
    place: `${document}:${lineNumber(text, index)}`,
    code,
    runs: mark === undefined,
    shown: shownOutput(code, text.slice(index + fence.length)),
  }))
}

/** Compiles every snippet of every document, and runs those that are programs. With `only`, those of these documents. */
export async function checkSnippets(only: readonly string[] = []): Promise<GateResult> {
  const chosen = listDocuments().filter((document) => only.length === 0 || only.includes(document))
  const documents = chosen.map((document) => [document, readFileSync(join(root, document), 'utf8')] as const)
  const snippets = documents.flatMap(([document, text]) => extractSnippets(document, text))
  await rm(workFolder, { recursive: true, force: true })
  await mkdir(workFolder, { recursive: true })
  const files = new Map(snippets.map((snippet) => [`${snippet.place.replaceAll(/[^a-zA-Z0-9]+/g, '-')}.ts`, snippet]))
  for (const [file, { code }] of files) await writeFile(join(workFolder, file), `${code}\nexport {}\n`)
  await writeFile(join(workFolder, 'tsconfig.json'), JSON.stringify(compilerConfig))
  await writeFile(join(workFolder, 'web.d.ts'), webTypes)
  const problems = documents.flatMap(([document, text]) => [
    ...checkImports(document, text),
    ...(document.startsWith('docs/guides/') ? checkNeedsNoRepository(document, text) : []),
  ])
  const compiled = await runCommand('tsc', ['-p', workFolder, '--pretty', 'false'])
  if (compiled.code !== 0) problems.push(...describeCompilerErrors(compiled.output, files))
  await forEachLimited([...files], 2, async ([file, { runs, place, shown }]) => {
    if (!runs) return
    const cwd = await mkdtemp(join(tmpdir(), 'sd-snippet-'))
    const { code, output } = await runCommand(process.execPath, [join(workFolder, file)], {
      cwd,
      timeoutMs: runLimitMs,
      env: { NODE_COMPILE_CACHE: compileCache },
    })
    const difference = code === 0 ? compareOutput(shown, output) : `ended with ${code}:\n${output}`
    if (difference !== undefined) problems.push(`${place} ${difference}`)
    await rm(cwd, { recursive: true })
  })
  return resultOf(snippets.length, problems)
}

const compilerConfig = {
  extends: '../../tsconfig.base.json',
  compilerOptions: {
    isolatedDeclarations: false,
    // Types of @hono/node-server need those of a browser.
    skipLibCheck: true,
    noUnusedLocals: false,
    noUnusedParameters: false,
    // As in Nest's own templates. What Node can't run fails when it is run.
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    erasableSyntaxOnly: false,
  },
  include: ['*.ts'],
}

/** Names of the DOM's types that HTTP clients of others use. Their users have the DOM, or do not check libraries. */
const webTypes = `type HeadersInit = NonNullable<RequestInit['headers']>
type RequestInfo = string | Request
`

function describeCompilerErrors(output: string, files: ReadonlyMap<string, Snippet>): string[] {
  return output
    .split('\n')
    .filter((line) => line.includes('error TS'))
    .map((line) => {
      const file = /([^/]+\.ts)\(/.exec(line)?.[1] ?? ''
      return `${files.get(file)?.place ?? file}: ${line.slice(line.indexOf('('))}`
    })
}

/** Checks that the target of every relative link in every document exists. */
export async function checkLinks(): Promise<GateResult> {
  const problems: string[] = []
  let links = 0
  for (const document of listDocuments()) {
    const text = readFileSync(join(root, document), 'utf8').replaceAll(/^```.*?^```$/gms, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:|^#/.test(target)) continue
      links++
      if (!existsSync(join(root, dirname(document), target.split('#', 1)[0] ?? '')))
        problems.push(`${document}: ${target} does not exist`)
    }
  }
  return resultOf(links, problems)
}

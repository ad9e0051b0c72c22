import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { root } from './gate.ts'
import type { Package } from './workspace.ts'

/** One row of the table in the docstring of `SdErrorCode`, in core. */
interface CodeRow {
  readonly code: string
  readonly meaning: string
  readonly retryable: string
  readonly origin: string
}

/** Path of the table for users. */
export const errorTablePath: string = join(root, 'docs/errors.md')

/** Similar texts that are not error codes: environment variables, and codes of process warnings. */
const notErrors = new Set([
  'SD_ADMIN_TOKEN',
  'SD_AUTHOR',
  'SD_CONFIG',
  'SD_CONFIG_KEYS',
  'SD_LOCK',
  'SD_LOG_WRITER',
  'SD_MEMORY_REGISTRY',
  'SD_REGISTRY',
])

/**
 * Compares the codes that packages throw with the table in core and the one in the documentation: one line for each difference.
 * `node checks/src/write-error-table.ts` regenerates the latter.
 */
export function checkErrorCodes(packages: readonly Package[]): readonly string[] {
  const rows = readRows(packages)
  const thrown = findThrown(packages)
  const known = new Set(rows.map(({ code }) => code))
  const problems: string[] = []
  for (const [code, folders] of thrown) {
    if (!known.has(code))
      problems.push(`${[...folders].join(', ')}: ${code} is not in the table of SdErrorCode, in packages/core/src/errors.ts`)
  }
  for (const code of known) if (!thrown.has(code)) problems.push(`packages/core/src/errors.ts: no package throws ${code}`)
  if (problems.length === 0 && readFileSync(errorTablePath, 'utf8') !== renderErrorTable(packages))
    problems.push('docs/errors.md is outdated: run node checks/src/write-error-table.ts')
  return problems
}

/** Renders the document for users. */
export function renderErrorTable(packages: readonly Package[]): string {
  const thrown = findThrown(packages)
  const rows = readRows(packages).map(({ code, meaning, retryable, origin }) => {
    const folders = [...(thrown.get(code) ?? [])]
    const from = folders.length > 6 ? 'most packages' : folders.map((folder) => `\`${folder}\``).join(', ')
    return `| \`${code}\` | ${meaning} | ${retryable} | ${origin} | ${from} |`
  })
  return `# Errors

Every error of these packages is an \`SdError\` with one of these codes. Branch on \`error.code\`, never on the message, and recognise errors with \`error instanceof SdError\`.
\`retryable\` and \`origin\` are what a code means unless the error itself says otherwise; both are fields of the error. This table is generated from the code.

| code | meaning | retryable | origin | from |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

What to do about them is in [Troubleshooting](guides/troubleshooting.md).
`
}

function readRows(packages: readonly Package[]): readonly CodeRow[] {
  const text = packages.find(({ folder }) => folder === 'core')?.sources.get('src/errors.ts') ?? ''
  return [...text.matchAll(/^ \* \| `(SD_\w+)` \| (.+?) \| (\w[^|]*?) \| (\w[^|]*?) \|$/gm)].map(
    ([, code = '', meaning = '', retryable = '', origin = '']) => ({ code, meaning, retryable, origin }),
  )
}

/** Error codes in the sources, with the packages that contain them. */
function findThrown(packages: readonly Package[]): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>()
  for (const { folder, sources } of packages) {
    // Contains texts of tests.
    if (folder === 'testing') continue
    for (const [file, text] of sources) {
      if (file.endsWith('.test.ts') || file.includes('/testing/') || !text.includes("'SD_")) continue
      const visitor = new Visitor({
        Literal({ value }) {
          if (typeof value !== 'string' || !/^SD_[A-Z]+(_[A-Z]+)*$/.test(value) || notErrors.has(value)) return
          found.set(value, (found.get(value) ?? new Set()).add(folder))
        },
      })
      visitor.visit(parseSync(file, text).program)
    }
  }
  return found
}

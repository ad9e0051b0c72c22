import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { DoctorCheck } from './check.ts'

/** Copies of `@sd/core` that the packages of the project in the working folder use. */
export const packagesCheck: DoctorCheck = {
  name: 'packages',
  run({ cwd }) {
    const folder = findPackages(cwd)
    if (folder === undefined) return Promise.resolve([{ level: 'fine', text: 'no @sd packages are installed in this folder' }])
    const copies = findCopies(folder)
    const [first] = copies
    if (copies.length < 2) {
      return Promise.resolve([{ level: 'fine', text: first ? `@sd/core ${first.version}, one copy` : 'no copy of @sd/core' }])
    }
    const listed = copies.map(
      ({ version, users }) => `${version} (${users.slice(0, 3).join(', ')}${users.length > 3 ? ', …' : ''})`,
    )
    const text = `${copies.length} copies of @sd/core: ${listed.join(', ')}. They work together, and cost memory and time at the start`
    return Promise.resolve([{ level: 'warning', text, next: 'npm dedupe' }])
  },
}

/** The nearest `node_modules/@sd` of a folder or of those above it. */
function findPackages(from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', '@sd')
    if (existsSync(found)) return found
    if (dirname(folder) === folder) return undefined
  }
}

function findCopies(folder: string): readonly { readonly version: string; readonly users: readonly string[] }[] {
  const copies = new Map<string, string[]>()
  for (const name of readdirSync(folder).sort()) {
    try {
      const home = realpathSync(join(folder, name, 'package.json'))
      const core = name === 'core' ? home : realpathSync(createRequire(home).resolve('@sd/core/package.json'))
      copies.set(core, [...(copies.get(core) ?? []), name])
    } catch {
      // Not a package, or one that does not use core.
    }
  }
  return [...copies].map(([file, users]) => ({
    version: String((JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown }).version),
    users: users.filter((name) => name !== 'core'),
  }))
}

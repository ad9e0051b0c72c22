import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type GateResult, resultOf, root } from './gate.ts'
import type { Package } from './workspace.ts'

/** Part of the version that changes. */
type Bump = 'major' | 'minor' | 'patch' | 'none'

/** Checks the pending changesets: they must name existing packages, and a major of core needs a major of all dependent packages. */
export function checkChangesets(
  packages: readonly Package[],
  changesets: ReadonlyMap<string, string> = readChangesets(),
): GateResult {
  const names = new Set(packages.map(({ manifest }) => manifest.name))
  const bumps = new Map<string, Bump>()
  const problems: string[] = []
  for (const [file, text] of changesets) {
    const [, front = '', summary = ''] = /^---\n(.*?)\n---\n(.*)$/s.exec(text) ?? []
    if (summary.trim() === '') problems.push(`${file}: has no summary for users`)
    for (const [name, bump] of Object.entries((parse(front) ?? {}) as Record<string, Bump>)) {
      if (!names.has(name)) problems.push(`${file}: unknown package ${name}`)
      if (bump === 'major' || !bumps.has(name)) bumps.set(name, bump)
    }
  }
  if (bumps.get('@sd/core') === 'major') {
    // The changesets tool gives dependents of a peer only a patch, and their range would no longer match.
    for (const name of names)
      if (bumps.get(name) !== 'major') problems.push(`${name} needs a major changeset, because @sd/core has one`)
  }
  for (const { manifest } of packages) {
    if (manifest.version === '0.0.0' && !bumps.has(manifest.name))
      problems.push(`${manifest.name} has no changeset for its first release`)
  }
  return resultOf(changesets.size + 1, problems)
}

function readChangesets(): ReadonlyMap<string, string> {
  const folder = join(root, '.changeset')
  const files = globSync('*.md', { cwd: folder }).filter((file) => file !== 'README.md')
  return new Map(files.map((file) => [`.changeset/${file}`, readFileSync(join(folder, file), 'utf8')]))
}

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './gate.ts'
import { type Manifest, MEMBERS } from './workspace.ts'

/** What of each workspace package needs which others, also for its tests alone. */
export type Needs = ReadonlyMap<string, readonly string[]>

/** Reads every member of the workspace. */
export function readNeeds(): Needs {
  const files = globSync(`${MEMBERS}/package.json`, { cwd: root })
  const manifests = files.map((file) => JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest)
  const known = new Set(manifests.map(({ name }) => name))
  return new Map(
    manifests.map(({ name, dependencies, devDependencies }) => [
      name,
      Object.keys({ ...dependencies, ...devDependencies }).filter((other) => known.has(other)),
    ]),
  )
}

/** Packages that need each other in a circle, by which nothing could be run before the rest: a line each. */
export function checkCircles(needs: Needs): readonly string[] {
  const circles: string[] = []
  const done = new Set<string>()
  function visit(name: string, path: readonly string[]): void {
    if (path.includes(name)) circles.push(`packages in a circle: ${[...path.slice(path.indexOf(name)), name].join(' → ')}`)
    if (path.includes(name) || done.has(name)) return
    for (const other of needs.get(name) ?? []) visit(other, [...path, name])
    done.add(name)
  }
  for (const name of needs.keys()) visit(name, [])
  return circles
}

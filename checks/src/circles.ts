import type { Member } from './layers.ts'

/** Packages that need each other in a circle, by which nothing could be run before the rest: a line each. */
export function checkCircles(members: readonly Pick<Member, 'name' | 'needs'>[]): readonly string[] {
  const byName = new Map(members.map(({ name, needs }) => [name, needs]))
  const circles: string[] = []
  const done = new Set<string>()
  function visit(name: string, path: readonly string[]): void {
    if (path.includes(name)) circles.push(`packages in a circle: ${[...path.slice(path.indexOf(name)), name].join(' → ')}`)
    if (path.includes(name) || done.has(name)) return
    for (const other of byName.get(name) ?? []) visit(other, [...path, name])
    done.add(name)
  }
  for (const { name } of members) visit(name, [])
  return circles
}

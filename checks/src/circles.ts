import type { Member } from './layers.ts'

/** Circular dependencies between packages, one line each. With one, no package of the circle could be built or tested first. */
export function checkCircles(members: readonly Pick<Member, 'name' | 'needs'>[]): readonly string[] {
  const byName = new Map(members.map(({ name, needs }) => [name, needs]))
  const circles: string[] = []
  const done = new Set<string>()
  function visit(name: string, path: readonly string[]): void {
    if (path.includes(name)) circles.push(`circular dependency: ${[...path.slice(path.indexOf(name)), name].join(' → ')}`)
    if (path.includes(name) || done.has(name)) return
    for (const other of byName.get(name) ?? []) visit(other, [...path, name])
    done.add(name)
  }
  for (const { name } of members) visit(name, [])
  return circles
}

import type { Member } from './layers.ts'

/** Circular dependencies between packages, one line each. With one, no package of the circle could be built or tested first. */
export function checkCircles(members: readonly Pick<Member, 'name' | 'needs'>[]): readonly string[] {
  const byName = new Map(members.map(({ name, needs }) => [name, needs]))
  const circles = findCircles(byName.keys(), (name) => byName.get(name) ?? [])
  return circles.map((circle) => `circular dependency: ${circle.join(' → ')}`)
}

/** The circles of a graph, each as a path that ends where it begins. */
export function findCircles(nodes: Iterable<string>, next: (node: string) => Iterable<string>): readonly (readonly string[])[] {
  const circles: (readonly string[])[] = []
  const done = new Set<string>()
  function visit(node: string, path: readonly string[]): void {
    const before = path.indexOf(node)
    if (before >= 0) circles.push([...path.slice(before), node])
    if (before >= 0 || done.has(node)) return
    for (const other of next(node)) visit(other, [...path, node])
    done.add(node)
  }
  for (const node of nodes) visit(node, [])
  return circles
}

/** Fields and types of JSON values, all items of an array taken together. */
export interface Shape {
  /** Such as `string`, `null`, `array`. */
  readonly types: ReadonlySet<string>
  /** Of objects, by name; `[]` for the items of arrays. */
  readonly fields: ReadonlyMap<string, Shape>
}

/** The shape that several values have together. */
export function shapeOf(values: readonly unknown[]): Shape {
  const types = new Set<string>()
  const parts = new Map<string, unknown[]>()
  const add = (name: string, value: unknown): void => void parts.set(name, [...(parts.get(name) ?? []), value])
  for (const value of values) {
    types.add(value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)
    if (Array.isArray(value)) for (const item of value) add('[]', item)
    else if (typeof value === 'object' && value !== null) for (const [name, item] of Object.entries(value)) add(name, item)
  }
  return { types, fields: new Map([...parts].map(([name, items]) => [name, shapeOf(items)])) }
}

/** What a reader of `before` would miss in `now`: one line for each lost field, and for each with another type. */
export function compareShapes(before: Shape, now: Shape, path: string = ''): readonly string[] {
  const other = [...now.types].filter((type) => !before.types.has(type))
  if (other.length > 0) return [`${path}: was ${[...before.types].join(' or ')}, is ${other.join(' or ')}`]
  return [...before.fields].flatMap(([name, field]) => {
    const found = now.fields.get(name)
    const below = `${path}/${name}`
    return found ? compareShapes(field, found, below) : [`${below} is missing`]
  })
}

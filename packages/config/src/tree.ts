import { isDeepStrictEqual } from 'node:util'
import { type ConfigTree, isTree } from './config-tree.ts'
import { maxDepth } from './text/text-tree.ts'

/**
 * Copies the result of a parser as plain objects, arrays and values. Throws for keys that would reach a prototype, for deep
 * nesting and for values that are not configuration. The message is the predicate of a sentence about the text.
 */
export function toPlain(value: unknown, depth: number = 0): unknown {
  if (depth > maxDepth) throw new RangeError(`nested more than ${maxDepth} levels deep`)
  if (Array.isArray(value)) return value.map((item) => toPlain(item, depth + 1))
  if (value instanceof Date) return value.toISOString()
  if (value === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof value)) return value
  if (!isTree(value)) throw new TypeError('has a value that is neither text, number, boolean, null, list nor object')
  const copy: ConfigTree = {}
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw new TypeError('has a key __proto__')
    if (item !== undefined) copy[key] = toPlain(item, depth + 1)
  }
  return copy
}

/**
 * Merges `over` into `target`, which is modified: objects are merged key by key; other values, including arrays and `null`,
 * replace. `over` is not modified, and `target` shares no object with it.
 */
export function mergeInto(target: ConfigTree, over: ConfigTree): ConfigTree {
  for (const [key, value] of Object.entries(over)) {
    const below = Object.hasOwn(target, key) ? target[key] : undefined
    target[key] = isTree(value) ? mergeInto(isTree(below) ? below : {}, value) : value
  }
  return target
}

/**
 * A frozen copy of `next` that reuses every unchanged object of `previous`, so that `===` detects changes. Class instances are
 * kept as they are.
 */
export function shareTree(previous: unknown, next: unknown): unknown {
  if (Array.isArray(next)) {
    const before = Array.isArray(previous) ? previous : []
    const copy = next.map((item, index) => shareTree(before[index], item))
    const isSame =
      before.length === copy.length && before === previous && copy.every((item, index) => Object.is(item, before[index]))
    return isSame ? previous : Object.freeze(copy)
  }
  if (!isTree(next)) return isDeepStrictEqual(previous, next) ? previous : next
  const before = isTree(previous) ? previous : {}
  const copy: ConfigTree = {}
  for (const [key, value] of Object.entries(next)) {
    if (key !== '__proto__') copy[key] = shareTree(Object.hasOwn(before, key) ? before[key] : undefined, value)
  }
  const keys = Object.keys(copy)
  const isSame =
    before === previous &&
    keys.length === Object.keys(before).length &&
    keys.every((key) => Object.hasOwn(before, key) && Object.is(copy[key], before[key]))
  return isSame ? previous : Object.freeze(copy)
}

/** Paths of the values that differ, in order. An added or removed object contributes every value in it. At most `limit`. */
export function changedPaths(previous: unknown, next: unknown, limit: number = 1_000): readonly string[] {
  const paths: string[] = []
  function compare(before: unknown, after: unknown, path: string): void {
    if (Object.is(before, after) || paths.length >= limit) return
    if (!isTree(before) && !isTree(after)) {
      paths.push(path)
      return
    }
    const left = isTree(before) ? before : {}
    const right = isTree(after) ? after : {}
    const keys = new Set([...Object.keys(left), ...Object.keys(right)])
    if (keys.size === 0) paths.push(path)
    for (const key of keys) compare(left[key], right[key], path === '' ? key : `${path}.${key}`)
  }
  compare(previous, next, '')
  return paths
}

/** A copy with a value at a path. Values on the way that are not objects are replaced. */
export function writeAt(tree: ConfigTree, [key = '', ...rest]: readonly string[], value: unknown): ConfigTree {
  const inner = Object.hasOwn(tree, key) ? tree[key] : undefined
  return { ...tree, [key]: rest.length === 0 ? value : writeAt(isTree(inner) ? inner : {}, rest, value) }
}

/** A copy without the value at a path. Objects that become empty are removed too. */
export function removeAt(tree: ConfigTree, [key = '', ...rest]: readonly string[]): ConfigTree {
  if (!Object.hasOwn(tree, key)) return tree
  const { [key]: inner, ...others } = tree
  if (rest.length > 0 && !isTree(inner)) return tree
  const left = rest.length > 0 ? removeAt(inner as ConfigTree, rest) : {}
  return Object.keys(left).length > 0 ? { ...others, [key]: left } : others
}

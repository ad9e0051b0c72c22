import { isDeepStrictEqual } from 'node:util'
import { type Masking, SdError } from '@sd/core'

/** One value that differs between two versions. */
export interface ConfigDifference {
  /** Path: keys and indices separated by dots, such as `db.pool.size` or `hosts.0`. A key with dots is quoted. */
  readonly path: string
  /** Kind of difference. */
  readonly kind: 'added' | 'updated' | 'removed'
  /** The value before; absent if it was added. */
  readonly before?: unknown
  /** The value after; absent if it was removed. */
  readonly after?: unknown
}

const maxValues = 100_000

/** A value in a tree. */
interface Leaf {
  readonly value: unknown
  readonly key?: string
  /** Parent container. Storing all keys per value would need memory quadratic in the depth. */
  readonly parent?: Leaf
}

/** Compares two trees value by value. @param masking `undefined` shows everything @throws SdError `SD_TOO_LARGE` for more than 100,000 values */
export function diffTrees(before: unknown, after: unknown, masking: Masking | undefined): readonly ConfigDifference[] {
  const [old, now] = [valuesOf(before), valuesOf(after)]
  const changes: ConfigDifference[] = []
  const show = (leaf: Leaf): unknown => (masking ? masking.value(leaf.value, keysOf(leaf)) : leaf.value)
  for (const path of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(path), now.get(path)]
    if (!was && is) changes.push({ path, kind: 'added', after: show(is) })
    else if (was && !is) changes.push({ path, kind: 'removed', before: show(was) })
    else if (was && is && !isDeepStrictEqual(was.value, is.value)) {
      changes.push({ path, kind: 'updated', before: show(was), after: show(is) })
    }
  }
  return changes
}

function keysOf(leaf: Leaf): readonly string[] {
  const keys: string[] = []
  for (let at: Leaf | undefined = leaf; at; at = at.parent) if (at.key !== undefined) keys.push(at.key)
  return keys.reverse()
}

/** All values by path; an empty container is a value. Not recursive, because a text can be nested deeper than the stack allows. */
function valuesOf(root: unknown): ReadonlyMap<string, Leaf> {
  const values = new Map<string, Leaf>()
  const open: (readonly [path: string, leaf: Leaf])[] = root === undefined ? [] : [['', { value: root }]]
  let seen = 0
  for (let next = open.pop(); next; next = open.pop()) {
    const [path, leaf] = next
    const { value } = leaf
    if (++seen > maxValues) throw new SdError('SD_TOO_LARGE', `A version has more than ${maxValues} values to compare`)
    const children = isBranch(value) ? Object.entries(value) : []
    if (children.length === 0) values.set(path, leaf)
    for (const [key, child] of children.toReversed()) {
      open.push([path === '' ? nameOf(key) : `${path}.${nameOf(key)}`, { key, parent: leaf, value: child }])
    }
  }
  return values
}

/** Quotes a key that contains dots, so that paths are unique. */
function nameOf(key: string): string {
  return key === '' || /[."]/.test(key) ? JSON.stringify(key) : key
}

function isBranch(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

import { isDeepStrictEqual } from 'node:util'
import { SdError } from '@sd/core'

/** One value that differs between two versions. */
export interface ConfigChange {
  /** Where: keys and indices with dots between, such as `db.pool.size` or `hosts.0`; a key with dots is quoted. */
  readonly path: string
  /** What happened to it. */
  readonly kind: 'added' | 'updated' | 'removed'
  /** The value before; absent if it was added. */
  readonly before?: unknown
  /** The value after; absent if it was removed. */
  readonly after?: unknown
}

/** What stands for a masked value. */
const masked = '***'
const maxValues = 100_000

/** Compares two trees value by value. @throws SdError `SD_TOO_LARGE` if one has more than 100,000 values */
export function diffTrees(before: unknown, after: unknown, isMasked: (path: string) => boolean): readonly ConfigChange[] {
  const [old, now] = [valuesOf(before), valuesOf(after)]
  const changes: ConfigChange[] = []
  for (const path of new Set([...old.keys(), ...now.keys()])) {
    const show = (value: unknown): unknown => (isMasked(path) ? masked : value)
    if (!old.has(path)) changes.push({ path, kind: 'added', after: show(now.get(path)) })
    else if (!now.has(path)) changes.push({ path, kind: 'removed', before: show(old.get(path)) })
    else if (!isDeepStrictEqual(old.get(path), now.get(path))) {
      changes.push({ path, kind: 'updated', before: show(old.get(path)), after: show(now.get(path)) })
    }
  }
  return changes
}

/** All values by path; what is empty is a value. Not recursive: a text may nest deeper than the stack goes. */
function valuesOf(root: unknown): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>()
  const open: (readonly [path: string, value: unknown])[] = root === undefined ? [] : [['', root]]
  let seen = 0
  for (let next = open.pop(); next; next = open.pop()) {
    const [path, value] = next
    if (++seen > maxValues) throw new SdError('SD_TOO_LARGE', `A version has more than ${maxValues} values to compare`)
    const children = isBranch(value) ? Object.entries(value) : []
    if (children.length === 0) values.set(path, value)
    for (const [key, child] of children.toReversed()) open.push([path === '' ? nameOf(key) : `${path}.${nameOf(key)}`, child])
  }
  return values
}

/** A key that has dots itself is quoted, so that no two paths are the same. */
function nameOf(key: string): string {
  return key === '' || /[."]/.test(key) ? JSON.stringify(key) : key
}

function isBranch(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

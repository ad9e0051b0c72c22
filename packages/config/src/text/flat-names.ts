import { relaxed } from '../relaxed-key.ts'
import { TextError } from './text-error.ts'
import { type Container, createTextBuilder, maxDepth, maxValues, type TextTree } from './text-tree.ts'

/** One value of a text with lines `name = value`. */
export interface FlatValue {
  /** Path of the value; a number is a list index. */
  readonly keys: readonly (string | number)[]
  /** The text of the value. */
  readonly value: string
  /** Line of the name, from 1. */
  readonly line: number
}

/** Builds a tree from values and their paths. */
export interface FlatNames {
  /** Adds a value. @throws TextError for a name that contradicts earlier ones */
  add(value: FlatValue): void
  /** The tree. @throws TextError for a list with gaps */
  finish(): TextTree
}

interface Branch {
  readonly line: number
  readonly isList: boolean
  readonly inner: Map<string, Branch | Leaf>
  /** First spelling of each key. */
  readonly spelled: Map<string, string>
}

interface Leaf {
  readonly line: number
  readonly value: string
}

/**
 * Creates an empty tree.
 *
 * @param isRelaxed whether names that differ only in case, dashes and underscores are one name, see {@link relaxed}; the first
 * spelling is kept
 */
export function createFlatNames(isRelaxed: boolean): FlatNames {
  const root = newBranch(0, false)
  let count = 0

  function countOne(line: number): void {
    if (++count > maxValues) throw new TextError(`has more than ${maxValues} values`, line)
  }
  function branchAt(parent: Branch, key: string, isList: boolean, line: number): Branch {
    const found = parent.inner.get(key)
    if (found && !('inner' in found)) throw new TextError('has a name that is both a value and the start of other names', line)
    if (found) return found
    countOne(line)
    const branch = newBranch(line, isList)
    parent.inner.set(key, branch)
    return branch
  }
  /** The key of one part of a name in its branch. */
  function keyIn(branch: Branch, part: string | number, line: number): string {
    if (part === '') throw new TextError('has a name with an empty part', line)
    if (part === '__proto__') throw new TextError('has a key __proto__', line)
    if ((typeof part === 'number') !== branch.isList) throw new TextError('has a list that also has names', line)
    const key = isRelaxed && typeof part === 'string' ? relaxed(part) || part : String(part)
    if (!branch.spelled.has(key)) branch.spelled.set(key, String(part))
    return key
  }

  function finishBranch(branch: Branch, builder: ReturnType<typeof createTextBuilder>): Container {
    const container: Container = branch.isList ? [] : {}
    if (branch.isList) {
      for (let index = 0; index < branch.inner.size; index++) {
        const item = branch.inner.get(String(index))
        if (!item) throw new TextError(`has a list without the item [${index}]`, branch.line)
        builder.add(container, '', 'inner' in item ? finishBranch(item, builder) : item.value, item.line)
      }
      return container
    }
    for (const [key, item] of branch.inner) {
      const value = 'inner' in item ? finishBranch(item, builder) : item.value
      builder.add(container, branch.spelled.get(key) ?? key, value, item.line)
    }
    return container
  }

  return {
    add({ keys, value, line }) {
      if (keys.length > maxDepth) throw new TextError(`is nested more than ${maxDepth} levels deep`, line)
      let branch = root
      for (const [depth, part] of keys.slice(0, -1).entries()) {
        branch = branchAt(branch, keyIn(branch, part, line), typeof keys[depth + 1] === 'number', line)
      }
      const last = keyIn(branch, keys.at(-1) ?? '', line)
      const found = branch.inner.get(last)
      if (found && 'inner' in found) throw new TextError('has a name that is both a value and the start of other names', line)
      if (found) throw new TextError(`has a name twice, first on line ${found.line}`, line)
      countOne(line)
      branch.inner.set(last, { line, value })
    },
    finish() {
      const builder = createTextBuilder()
      return builder.finish(finishBranch(root, builder))
    },
  }
}

function newBranch(line: number, isList: boolean): Branch {
  return { line, isList, inner: new Map(), spelled: new Map() }
}

import { type ConfigTree, isTree } from './config-tree.ts'
import { relaxed } from './relaxed-key.ts'
import { mergeInto } from './tree.ts'

/** Known keys and their spelling. */
export interface Spelling {
  /** Replaces keys that differ from a known key only in case, dashes and underscores; of several known spellings the first. */
  adopt(tree: ConfigTree): ConfigTree
  /** Adds the keys of a tree. */
  learn(tree: ConfigTree): void
}

interface Level {
  readonly inner: Map<string, Level>
  readonly spelled: Map<string, string>
}

/** Creates a record without keys. */
export function createSpelling(): Spelling {
  const root = newLevel()
  return { adopt: (tree) => adopt(root, tree), learn: (tree) => learn(root, tree) }
}

function newLevel(): Level {
  return { inner: new Map(), spelled: new Map() }
}

function adopt(level: Level | undefined, tree: ConfigTree): ConfigTree {
  if (!level) return tree
  const adopted: ConfigTree = {}
  for (const [key, value] of Object.entries(tree)) {
    const known = level.inner.has(key) ? key : (level.spelled.get(relaxed(key)) ?? key)
    // Two keys of the tree itself can be spellings of the same key.
    mergeInto(adopted, { [known]: isTree(value) ? adopt(level.inner.get(known), value) : value })
  }
  return adopted
}

function learn(level: Level, tree: ConfigTree): void {
  for (const [key, value] of Object.entries(tree)) {
    const inner = level.inner.get(key) ?? newLevel()
    if (!level.inner.has(key)) {
      level.inner.set(key, inner)
      if (!level.spelled.has(relaxed(key))) level.spelled.set(relaxed(key), key)
    }
    if (isTree(value)) learn(inner, value)
  }
}

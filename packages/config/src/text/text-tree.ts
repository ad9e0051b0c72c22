import { type ConfigTree, isTree } from '../config-tree.ts'
import { relaxed } from '../relaxed-key.ts'
import { TextError } from './text-error.ts'

/** Maximum nesting depth of a text. */
export const maxDepth = 64
/** Maximum number of values in one text, including objects, lists and values repeated by YAML aliases. */
export const maxValues = 250_000

/** Reason to reject a text that can't be encoded and would change when it is stored or sent. */
export const illFormed = 'has half of a surrogate pair, which is not a character'

/** A list or object of a text. */
export type Container = ConfigTree | unknown[]

/** The values of a text, and their lines. Can be sent to another thread. */
export interface TextTree {
  /** The values. */
  readonly tree: ConfigTree
  /** Line of every value below the top level, from 1, in depth-first order; 0 if unknown. */
  readonly lines: Uint32Array
}

/** Collects the values of a text one by one, so that limits are checked before memory is used. */
export interface TextBuilder {
  /** Adds a value to a list or object. @throws TextError for a repeated key, a key `__proto__` or too many values */
  add(container: Container, key: string, value: unknown, line: number | undefined): void
  /** Checks the depth of a container. @throws TextError */
  checkDepth(depth: number, line: number | undefined): void
  /** Returns the collected values. @throws TextError if the top level is not an object */
  finish(root: unknown): TextTree
}

/** Creates an empty builder. */
export function createTextBuilder(): TextBuilder {
  const linesOf = new Map<unknown, Map<string, number> | number[]>()
  let count = 0

  function flatten(root: ConfigTree): Uint32Array {
    const lines = new Uint32Array(count)
    let at = 0
    function walk(container: Container): void {
      const known = linesOf.get(container)
      for (const [key, value] of Object.entries(container)) {
        lines[at++] = (Array.isArray(known) ? known[Number(key)] : known?.get(key)) ?? 0
        if (isContainer(value)) walk(value)
      }
    }
    walk(root)
    return lines.subarray(0, at)
  }

  return {
    add(container, key, value, line) {
      if (key === '__proto__') throw new TextError('has a key __proto__', line)
      if (++count > maxValues) throw new TextError(`has more than ${maxValues} values`, line)
      if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed())) throw new TextError(illFormed, line)
      if (Array.isArray(container)) {
        container.push(value)
        const lines = (linesOf.get(container) ?? []) as number[]
        lines.push(line ?? 0)
        linesOf.set(container, lines)
        return
      }
      if (Object.hasOwn(container, key)) throw new TextError('has a key twice', line)
      container[key] = value
      const lines = (linesOf.get(container) ?? new Map()) as Map<string, number>
      lines.set(key, line ?? 0)
      linesOf.set(container, lines)
    },
    checkDepth(depth, line) {
      if (depth > maxDepth) throw new TextError(`is nested more than ${maxDepth} levels deep`, line)
    },
    finish(root) {
      if (!isTree(root)) throw new TextError('is not an object at its top level', 1)
      return { tree: root, lines: flatten(root) }
    },
  }
}

/** The line of the value at a path. @param isRelaxed whether the path can have another spelling, see {@link relaxed} */
export function lineAt({ tree, lines }: TextTree, path: readonly string[], isRelaxed: boolean): number | undefined {
  const spell = isRelaxed ? relaxed : (key: string): string => key
  const wanted = path.map(spell)
  let at = 0

  function walk(container: Container, depth: number): number | undefined {
    for (const [key, value] of Object.entries(container)) {
      const line = lines[at++]
      const isWanted = spell(key) === wanted[depth]
      if (isWanted && depth === wanted.length - 1) return line
      if (!isContainer(value)) continue
      if (isWanted) return walk(value, depth + 1)
      at += sizeOf(value)
    }
    return undefined
  }
  return path.length === 0 ? undefined : walk(tree, 0) || undefined
}

function sizeOf(container: Container): number {
  let size = 0
  for (const value of Object.values(container)) size += isContainer(value) ? 1 + sizeOf(value) : 1
  return size
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null
}

import { type ConfigTree, isTree } from '../config-tree.ts'
import { relaxed } from '../relaxed-key.ts'
import { TextError } from './text-error.ts'

/** Deepest nesting of a text. */
export const maxDepth = 64
/** Most values of one text, objects and lists included, and those that YAML aliases repeat. */
export const maxValues = 250_000

/** Why a text is refused that no encoding can hold: it would become another one wherever it goes. */
export const illFormed = 'has half of a surrogate pair, which is not a character'

/** A list or an object of a text. */
export type Container = ConfigTree | unknown[]

/** The values of a text, and their lines. Can be sent to another thread. */
export interface TextTree {
  /** Its values. */
  readonly tree: ConfigTree
  /** Line of every value below the top, from 1, in the order in which a walk over the tree meets them; 0 where it is not known. */
  readonly lines: Uint32Array
}

/** Collects the values of a text one by one, so that limits are checked before memory is spent. */
export interface TextBuilder {
  /** Puts a value into a list or an object. @throws TextError for a repeated key, a key `__proto__`, and one value too many */
  add(container: Container, key: string, value: unknown, line: number | undefined): void
  /** Checks how deep a container would be. @throws TextError */
  checkDepth(depth: number, line: number | undefined): void
  /** What was collected. @throws TextError if the top is not an object */
  finish(root: unknown): TextTree
}

/** Begins without any value. */
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

/** The line of the value at a path. @param isRelaxed whether the path may have another spelling, see {@link relaxed} */
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

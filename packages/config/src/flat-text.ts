import * as util from 'node:util'
import { Pair, parseLines } from 'dot-properties'
import { type ConfigTree, isTree } from './path.ts'
import { relaxed } from './spelling.ts'
import { placeOf, TextError } from './text-error.ts'

/** A text of lines `name = value`. */
export interface FlatText {
  /** The values, by path. */
  readonly value: ConfigTree
  /** Line of the value at a path, from 1. */
  readonly lineOf: (keys: readonly string[]) => number | undefined
}

interface FlatValue {
  readonly keys: readonly string[]
  readonly value: string
  readonly line: number | undefined
}

/** Reads a Java .properties text; dots in names make objects. @throws TextError with the place */
export function parseProperties(text: string): FlatText {
  const pairs = parseLines(text, true).filter((node) => node instanceof Pair)
  return nest(
    pairs.map(({ key, value, range }) => ({ keys: key.split('.'), value, line: range && placeOf(text, range[0]).line })),
  )
}

/** Reads a .env text by `node:util`; `__` in names make objects, and names become lower case. @throws TextError with the place */
export function parseDotEnv(text: string): FlatText {
  if (typeof util.parseEnv !== 'function') throw new TextError('needs a runtime with parseEnv in node:util')
  const lines = new Map<string, number>()
  for (const [index, line] of text.split('\n').entries()) {
    const name = /^\s*(?:export\s+)?([^\s=#]+)\s*=/.exec(line)?.[1]
    if (name !== undefined) lines.set(name, index + 1)
  }
  return nest(
    Object.entries(util.parseEnv(text)).map(([name, value]) => ({
      keys: name.toLowerCase().split('__'),
      value: value ?? '',
      line: lines.get(name),
    })),
  )
}

function nest(values: readonly FlatValue[]): FlatText {
  const root: ConfigTree = {}
  const lines = new Map<string, number | undefined>()
  for (const { keys, value, line } of values) {
    if (keys.includes('')) throw new TextError('has a name with an empty part', line)
    if (keys.includes('__proto__')) throw new TextError('has a key __proto__', line)
    put(root, keys, value, line)
    lines.set(relaxed(keys.join('.')), line)
  }
  // By then the keys may have the spelling of another layer.
  return { value: root, lineOf: (keys) => lines.get(relaxed(keys.join('.'))) }
}

function put(root: ConfigTree, keys: readonly string[], value: string, line: number | undefined): void {
  let tree = root
  for (const key of keys.slice(0, -1)) {
    if (!Object.hasOwn(tree, key)) tree[key] = {}
    const inner = tree[key]
    if (!isTree(inner)) throw new TextError('has a name for a value that other names begin with', line)
    tree = inner
  }
  const last = keys.at(-1) as string
  if (Object.hasOwn(tree, last) && isTree(tree[last]))
    throw new TextError('has a name for a value that other names begin with', line)
  tree[last] = value
}

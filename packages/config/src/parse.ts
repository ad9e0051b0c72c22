import type { ConfigFormat } from '@sd/core'
import { parseDotEnv, parseProperties } from './flat-text.ts'
import { jsonLines, parseJson } from './json-text.ts'
import { type ConfigTree, isTree, treeOf } from './path.ts'
import { TextError } from './text-error.ts'
import { parseToml, tomlLines } from './toml-text.ts'
import { toPlain } from './tree.ts'
import { parseYaml } from './yaml-text.ts'

/** A text that was read. */
export interface ParsedText {
  /** Its values. */
  readonly tree: ConfigTree
  /** The line of what is at a path, from 1, where the format tells it. */
  readonly lineOf: (keys: readonly string[]) => number | undefined
  /** Whether its values are texts whatever they mean, as in .properties. */
  readonly isUntyped: boolean
}

interface Parsed {
  readonly value: unknown
  readonly lineOf: ParsedText['lineOf']
}

const parsers: Readonly<Record<Exclude<ConfigFormat, 'text'>, (content: string) => Parsed>> = {
  json: (content) => ({ value: parseJson(content), lineOf: (keys) => jsonLines(content)(keys) }),
  yaml: parseYaml,
  toml: (content) => ({ value: parseToml(content), lineOf: (keys) => tomlLines(content)(keys) }),
  properties: parseProperties,
  env: parseDotEnv,
}

/** Formats whose values are texts whatever they mean. */
const untyped: ReadonlySet<ConfigFormat> = new Set(['text', 'properties', 'env'])

/** Reads the text of an entry. @throws TextError if it can't be read: whatever its bytes are, nothing else is thrown */
export function parseText(content: string, format: ConfigFormat, key: string): ParsedText {
  const isUntyped = untyped.has(format)
  if (format === 'text') {
    const keys = key.split('/')
    if (keys.includes('__proto__')) throw new TextError('has a key __proto__')
    return { tree: treeOf(keys, content), lineOf: () => undefined, isUntyped }
  }
  try {
    const { value, lineOf } = parsers[format](content.replace(/^\uFEFF/, ''))
    const plain = toPlain(value ?? {})
    if (!isTree(plain)) throw new TextError('is no object at its top level', 1)
    return { tree: plain, lineOf: (keys) => (keys.length === 0 ? undefined : lineOf(keys)), isUntyped }
  } catch (error) {
    if (error instanceof TextError) throw error
    // RangeError is what parsers end with on a text that is nested too deeply for them.
    const reason = error instanceof TypeError || error instanceof RangeError ? error.message : "can't be read"
    throw new TextError(reason)
  }
}

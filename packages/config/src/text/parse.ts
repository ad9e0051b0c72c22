import type { ConfigFormat } from '@sd/core'
import { treeOf } from '../config-tree.ts'
import { parseDotEnv } from './env-text.ts'
import { parseJson } from './json-text.ts'
import { parseProperties } from './properties-text.ts'
import { TextError } from './text-error.ts'
import { illFormed, lineAt, type TextTree } from './text-tree.ts'
import { parseToml } from './toml-text.ts'
import { parseYaml } from './yaml-text.ts'

/** A text to read. Can be sent to another thread. */
export interface TextToParse {
  /** The text. */
  readonly content: string
  /** How it is read. */
  readonly format: ConfigFormat
  /** Key of its entry, which is the path of a text of format `text`. */
  readonly key: string
  /** Whether names that differ only in case, dashes and underscores are one, in texts without types. */
  readonly isRelaxed: boolean
  /** Whether a text of format `text` and a single line keeps the newline at its end. */
  readonly keepNewline: boolean
}

/** Longest text, in characters. */
const maxCharacters = 4_194_304

/** Formats whose values are texts whatever they mean. */
const untyped: ReadonlySet<ConfigFormat> = new Set(['text', 'properties', 'env'])

const parsers: Readonly<Record<Exclude<ConfigFormat, 'text'>, (content: string, isRelaxed: boolean) => TextTree>> = {
  json: parseJson,
  yaml: parseYaml,
  toml: parseToml,
  properties: parseProperties,
  env: parseDotEnv,
}

/** Whether the values of a format are texts whatever they mean, as in .properties. */
export function isUntyped(format: ConfigFormat): boolean {
  return untyped.has(format)
}

/** Reads the text of an entry. @throws TextError if it can't be read: whatever its bytes are, nothing else is thrown */
export function parseText(text: TextToParse): TextTree {
  const { content, format, key, isRelaxed, keepNewline } = text
  if (content.length > maxCharacters) throw new TextError(`has more than ${maxCharacters} characters`)
  if (!content.isWellFormed()) throw new TextError(illFormed)
  if (format === 'text') {
    const keys = key.split('/')
    if (keys.includes('__proto__')) throw new TextError('has a key __proto__')
    return { tree: treeOf(keys, keepNewline ? content : withoutNewline(content)), lines: new Uint32Array() }
  }
  try {
    return parsers[format](content.replace(/^\uFEFF/, ''), isRelaxed)
  } catch (error) {
    if (error instanceof TextError) throw error
    // RangeError is what parsers end with on a text that is nested too deeply for them.
    throw new TextError(error instanceof RangeError ? 'is nested too deeply' : "can't be read")
  }
}

/** The line of what is at a path of a text, from 1, where the format tells it. */
export function lineOfPath(text: TextTree, format: ConfigFormat, keys: readonly string[]): number | undefined {
  // By then the keys of texts without types may have the spelling of another layer.
  return lineAt(text, keys, isUntyped(format))
}

/** A text of one line without the newline after it, which belongs to the file: editors and `echo` write it. */
function withoutNewline(content: string): string {
  const line = content.replace(/\r?\n$/, '')
  return /[\r\n]/.test(line) ? content : line
}

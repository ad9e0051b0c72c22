import type { ConfigFormat } from '@sd/core'
import { treeOf } from '../config-tree.ts'
import { parseDotEnv } from './env-text.ts'
import { parseJson } from './json-text.ts'
import { parseProperties } from './properties-text.ts'
import { TextError } from './text-error.ts'
import { illFormed, lineAt, type TextTree } from './text-tree.ts'
import { parseToml } from './toml-text.ts'
import { parseYaml } from './yaml-text.ts'

/** A text to parse. Can be sent to another thread. */
export interface TextToParse {
  /** The text. */
  readonly content: string
  /** Format of the text. */
  readonly format: ConfigFormat
  /** Key of the entry; the path of the value for format `text`. */
  readonly key: string
  /** Whether names in untyped texts that differ only in case, dashes and underscores are the same. */
  readonly isRelaxed: boolean
  /** Whether a single-line text of format `text` keeps its trailing newline. */
  readonly keepNewline: boolean
}

/** Maximum length of a text, in characters. */
const maxCharacters = 4_194_304

/** Formats without types: all values are strings. */
const untyped: ReadonlySet<ConfigFormat> = new Set(['text', 'properties', 'env'])

const parsers: Readonly<Record<Exclude<ConfigFormat, 'text'>, (content: string, isRelaxed: boolean) => TextTree>> = {
  json: parseJson,
  yaml: parseYaml,
  toml: parseToml,
  properties: parseProperties,
  env: parseDotEnv,
}

/** Whether a format has no types, so that all values are strings, as in .properties. */
export function isUntyped(format: ConfigFormat): boolean {
  return untyped.has(format)
}

/** Parses the text of an entry. @throws TextError if it can't be read; never another error, for any input */
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
    // Parsers throw a RangeError for a text that is nested too deeply.
    throw new TextError(error instanceof RangeError ? 'is nested too deeply' : "can't be read")
  }
}

/** The line of the value at a path of a text, from 1, if the format has lines. */
export function lineOfPath(text: TextTree, format: ConfigFormat, keys: readonly string[]): number | undefined {
  // At this point keys of untyped texts may have adopted the spelling of another layer.
  return lineAt(text, keys, isUntyped(format))
}

/** Removes the trailing newline of a single-line text, which editors and `echo` add. */
function withoutNewline(content: string): string {
  const line = content.replace(/\r?\n$/, '')
  return /[\r\n]/.test(line) ? content : line
}

import { checkFormat, formatOfKey } from '@sd/adapter-kit'
import { type ConfigFormat, SdError } from '@sd/core'
import type { ConfigTree } from './config-tree.ts'
import { parseText } from './text/parse.ts'
import { TextError } from './text/text-error.ts'

/** Options of {@link readConfigText}. */
export interface ReadConfigTextOptions {
  /** Key of the entry. The value of a text of format `text` is at this path. */
  readonly key: string
  /** Format of the text. @default by the extension of the key */
  readonly format?: ConfigFormat
}

/**
 * Parses one text as `createConfig` does, without decryption, placeholders or schema: for diffs and tools. Untyped values stay
 * strings. The text is parsed on the main thread, so limit its size.
 *
 * @throws SdError `SD_MALFORMED` with key and line, never with the text
 */
export function readConfigText(content: string, { key, format = formatOfKey(key) }: ReadConfigTextOptions): ConfigTree {
  try {
    return parseText({ content, format: checkFormat('format', format), key, isRelaxed: true, keepNewline: false }).tree
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    throw new SdError('SD_MALFORMED', `${key}${error.line === undefined ? '' : `:${error.line}`} ${error.message}`)
  }
}

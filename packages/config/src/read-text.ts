import { checkFormat, formatOfKey } from '@sd/adapter-kit'
import { type ConfigFormat, SdError } from '@sd/core'
import type { ConfigTree } from './config-tree.ts'
import { parseText } from './text/parse.ts'
import { TextError } from './text/text-error.ts'

/** Options of {@link readConfigText}. */
export interface ReadConfigTextOptions {
  /** Key of its entry; a text of format `text` is at its path. */
  readonly key: string
  /** How it is read. @default what the key's extension tells */
  readonly format?: ConfigFormat
}

/**
 * Reads one text as `createConfig` does, without decrypting, placeholders or schema: for diffs and tools. Texts without types stay texts. It is read
 * in place, so give it a text that you know the size of.
 *
 * @throws SdError `SD_MALFORMED` with key and line, and never with the text
 */
export function readConfigText(content: string, { key, format = formatOfKey(key) }: ReadConfigTextOptions): ConfigTree {
  try {
    return parseText({ content, format: checkFormat('format', format), key, isRelaxed: true, keepNewline: false }).tree
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    throw new SdError('SD_MALFORMED', `${key}${error.line === undefined ? '' : `:${error.line}`} ${error.message}`)
  }
}

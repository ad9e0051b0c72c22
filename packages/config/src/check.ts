import { checkConfigKey, createConfigDocument, formatOfKey } from '@sd/adapter-kit'
import {
  type ConfigDocument,
  type ConfigEntry,
  checkKnownKeys,
  checkObject,
  checkText,
  invalidError,
  type OperationOptions,
} from '@sd/core'

/** Options of {@link Config.check}. */
export interface ConfigCheckOptions extends OperationOptions {
  /** Name of the source the texts would be written to. @default the only source */
  readonly source?: string
}

/** Effect of a change. */
export interface ConfigCheck {
  /** Paths of the values that would change, at most 1,000. */
  readonly changed: readonly string[]
}

/** Maximum length of a text, in characters. */
const maxCharacters = 4_194_304

/** Validates the arguments of `check`. @returns the name of the source @throws SdError `SD_INVALID` that names the argument */
export function checkArguments(
  texts: Readonly<Record<string, string | null>>,
  options: ConfigCheckOptions,
  sources: readonly string[],
): string {
  for (const [key, text] of Object.entries(checkObject('texts', texts))) {
    checkConfigKey('texts', key)
    if (text !== null) checkText(`texts[${JSON.stringify(key)}]`, text, maxCharacters)
  }
  checkKnownKeys('', checkObject('options', options), ['source', 'signal'])
  const { source = sources.length === 1 ? sources[0] : undefined } = options
  if (source !== undefined && sources.includes(source)) return source
  throw invalidError('source', source, `one of ${sources.join(', ')}`)
}

/** Returns the document with some texts replaced; `null` removes an entry. */
export function withTexts(
  source: string,
  document: ConfigDocument | undefined,
  texts: Readonly<Record<string, string | null>>,
): ConfigDocument {
  const entries = (document?.entries ?? []).flatMap((entry): ConfigEntry[] => {
    if (!Object.hasOwn(texts, entry.key)) return [entry]
    const content = texts[entry.key]
    return typeof content === 'string' ? [{ ...entry, content, revision: 'checked' }] : []
  })
  const known = new Set(document?.entries.map(({ key }) => key))
  for (const [key, content] of Object.entries(texts)) {
    if (content === null || known.has(key)) continue
    entries.push({ key, content, format: formatOfKey(key), revision: 'checked' })
  }
  return createConfigDocument(source, entries)
}

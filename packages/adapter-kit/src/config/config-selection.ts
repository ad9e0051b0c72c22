import { type ConfigEntry, type ConfigFormat, checkBoolean, invalidError, SdError } from '@sd/core'
import { checkConfigKey, checkFormat, formatOfKey, isConfigKey } from './config-document.ts'

/** Options of sources that hold one text per key: which of them count, and how they are read. */
export interface ConfigSelectionOptions {
  /** The keys that count, in the order in which they are merged: later ones win. @default all below the prefix, sorted */
  readonly keys?: readonly string[]
  /** How every text is read. @default what its key's extension says, such as `.yaml`; without one as `text`, a single value at the path of its key */
  readonly format?: ConfigFormat
  /**
   * Whether something must be there: each of `keys`, or any entry at all. A place that does not exist, because its name is misspelt or nobody has
   * written there yet, is an empty one to most backends. With this it is `SD_NOT_FOUND`, and a watch waits for it. @default false
   */
  readonly required?: boolean
}

/** {@link ConfigSelectionOptions}, checked. */
export interface ConfigSelection {
  /** The keys that count, in their order; `undefined` for all. */
  readonly keys: readonly string[] | undefined
  /** How every text is read; `undefined` for what its key says. */
  readonly format: ConfigFormat | undefined
  /** Whether something must be there. */
  readonly required?: boolean
}

/** A text as its backend has it. */
export type ConfigText = Pick<ConfigEntry, 'content' | 'revision' | 'updatedAt'>

/** Texts that can't be read. */
export interface UnreadableTexts {
  /** Name of their source. */
  readonly source: string
  /** Their keys: their bytes are not UTF-8, so that read as text they would be others. */
  readonly keys: ReadonlySet<string>
}

/** Names of the options in {@link ConfigSelectionOptions}. */
export const CONFIG_SELECTION_OPTIONS = ['keys', 'format', 'required'] as const

/**
 * Checks which texts count.
 *
 * @param checkKey checks one key, and returns it. @default {@link checkConfigKey}
 * @throws SdError `SD_INVALID` that names the option
 */
export function readSelection(
  { keys, format, required = false }: ConfigSelectionOptions,
  checkKey?: (field: string, key: unknown) => string,
): ConfigSelection {
  return {
    keys: keys && checkConfigKeys(keys, checkKey),
    format: format && checkFormat('format', format),
    required: checkBoolean('required', required),
  }
}

/** The entry of a text. */
export function toConfigEntry({ format }: ConfigSelection, key: string, text: ConfigText): ConfigEntry {
  const { content, revision, updatedAt } = text
  return { key, format: format ?? formatOfKey(key), content, revision, ...(updatedAt !== undefined && { updatedAt }) }
}

/**
 * The entries of the texts that count, in the order in which they are merged.
 *
 * @param texts by key; those with keys that are none are left out
 * @throws SdError `SD_MALFORMED` if one that counts is unreadable, `SD_NOT_FOUND` if what is required is missing. Waiting may heal both
 */
export function selectEntries(
  selection: ConfigSelection,
  texts: ReadonlyMap<string, ConfigText>,
  unreadable?: UnreadableTexts,
): readonly ConfigEntry[] {
  if (selection.required) checkThere(selection.keys, texts)
  const order = selection.keys ?? [...texts.keys()].filter(isConfigKey).sort()
  return order.flatMap((key) => {
    if (unreadable?.keys.has(key)) {
      throw new SdError('SD_MALFORMED', `${unreadable.source}: ${key} is not text in UTF-8`, { retryable: true })
    }
    const text = texts.get(key)
    return text ? [toConfigEntry(selection, key, text)] : []
  })
}

function checkThere(keys: readonly string[] | undefined, texts: ReadonlyMap<string, ConfigText>): void {
  const missing = keys ? keys.filter((key) => !texts.has(key)) : []
  if (missing.length === 0 && (keys || [...texts.keys()].some(isConfigKey))) return
  const what = keys ? `there is no ${missing.join(', ')}` : 'there is no entry: is it the right place?'
  throw new SdError('SD_NOT_FOUND', `${what} (required)`, { retryable: true })
}

/**
 * Checks a source's option `keys`: at least one, each once.
 *
 * @param check checks one key, and returns it. @default {@link checkConfigKey}
 * @throws SdError `SD_INVALID` that names the field
 */
export function checkConfigKeys(
  keys: readonly string[],
  check: (field: string, key: unknown) => string = checkConfigKey,
): readonly string[] {
  if (!Array.isArray(keys) || keys.length === 0) throw invalidError('keys', keys, 'an array of at least one key')
  const checked = keys.map((key, index) => check(`keys[${index}]`, key))
  const repeated = checked.find((key, index) => checked.indexOf(key) !== index)
  if (repeated !== undefined) throw invalidError('keys', repeated, 'every key once')
  return checked
}

/** Checks that a key to be written is one of those that a source was told to have, if it was. @throws SdError `SD_INVALID` */
export function checkChosenKey(keys: readonly string[] | undefined, key: string): void {
  if (keys && !keys.includes(key)) throw invalidError('key', key, `one of ${keys.join(', ')}`)
}

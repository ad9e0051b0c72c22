import { type ConfigEntry, type ConfigFormat, checkBoolean, invalidError, SdError } from '@sd/core'
import { checkConfigKey, checkFormat, formatOfKey, isConfigKey } from './config-document.ts'

/** Options of sources that store one text per key: which keys to use, and how to parse them. */
export interface ConfigSelectionOptions {
  /** Keys to use, in merge order: later ones override earlier ones. @default all keys below the prefix, sorted */
  readonly keys?: readonly string[]
  /**
   * Format of every text. @default according to the extension of the key, such as `.yaml`; without one `text`, a single
   * value at the path of the key
   */
  readonly format?: ConfigFormat
  /**
   * Whether entries must exist: each of `keys`, or at least one entry. Most backends report a location that does not
   * exist as empty, for example if its name is misspelled or nothing was written yet. With this option that is
   * `SD_NOT_FOUND`, and a watch waits for it.
   *
   * @default false
   */
  readonly required?: boolean
}

/** Validated {@link ConfigSelectionOptions}. */
export interface ConfigSelection {
  /** Keys to use, in merge order; `undefined` for all. */
  readonly keys: readonly string[] | undefined
  /** Format of every text; `undefined` to use the extension of the key. */
  readonly format: ConfigFormat | undefined
  /** Whether entries must exist. @default false */
  readonly required?: boolean
}

/** A text as stored in the backend. */
export type ConfigText = Pick<ConfigEntry, 'content' | 'revision' | 'updatedAt'>

/** Texts that can't be read. */
export interface UnreadableTexts {
  /** Name of their source. */
  readonly source: string
  /** Keys of the texts that are not valid UTF-8. */
  readonly keys: ReadonlySet<string>
}

/** Names of the options in {@link ConfigSelectionOptions}. */
export const CONFIG_SELECTION_OPTIONS = ['keys', 'format', 'required'] as const

/**
 * Checks {@link ConfigSelectionOptions}.
 *
 * @param checkKey checks one key and returns it. @default {@link checkConfigKey}
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

/** The text that all keys begin with, so that a backend can be asked for little more than them; empty for all keys. */
export function commonPrefixOf({ keys = [] }: ConfigSelection): string {
  let prefix = keys[0] ?? ''
  // Half of a surrogate pair can't be sent.
  while (!prefix.isWellFormed() || !keys.every((key) => key.startsWith(prefix))) prefix = prefix.slice(0, -1)
  return prefix
}

/** Creates the entry of a text. */
export function toConfigEntry({ format }: ConfigSelection, key: string, text: ConfigText): ConfigEntry {
  const { content, revision, updatedAt } = text
  return { key, format: format ?? formatOfKey(key), content, revision, ...(updatedAt !== undefined && { updatedAt }) }
}

/**
 * Returns the entries of the selected texts in merge order.
 *
 * @param texts by key; invalid keys are skipped
 * @throws SdError `SD_MALFORMED` if a selected text is unreadable, `SD_NOT_FOUND` if a required one is missing. Both are
 * retryable.
 */
export function selectEntries(
  selection: ConfigSelection,
  texts: ReadonlyMap<string, ConfigText>,
  unreadable?: UnreadableTexts,
): readonly ConfigEntry[] {
  if (selection.required) checkThere(selection.keys, texts, unreadable?.source)
  const order = selection.keys ?? [...texts.keys()].filter(isConfigKey).sort()
  return order.flatMap((key) => {
    if (unreadable?.keys.has(key)) {
      throw new SdError('SD_MALFORMED', `${unreadable.source}: ${key} is not UTF-8 text`, { retryable: true })
    }
    const text = texts.get(key)
    return text ? [toConfigEntry(selection, key, text)] : []
  })
}

function checkThere(
  keys: readonly string[] | undefined,
  texts: ReadonlyMap<string, ConfigText>,
  source: string | undefined,
): void {
  const missing = keys ? keys.filter((key) => !texts.has(key)) : []
  if (missing.length === 0 && (keys || [...texts.keys()].some(isConfigKey))) return
  throw requiredError(source, keys ? `missing keys: ${missing.join(', ')}` : 'no entry found; check the location')
}

/**
 * Returns the error for a missing entry of a source with `required`. It is retryable: the entry can be created, and a watch waits
 * for it with its last values.
 */
export function requiredError(source: string | undefined, what: string): SdError {
  return new SdError('SD_NOT_FOUND', `${source === undefined ? '' : `${source}: `}${what} (required)`, { retryable: true })
}

/**
 * Checks the option `keys`: at least one key, without duplicates.
 *
 * @param check checks one key and returns it. @default {@link checkConfigKey}
 * @throws SdError `SD_INVALID` that names the field
 */
export function checkConfigKeys(
  keys: readonly string[],
  check: (field: string, key: unknown) => string = checkConfigKey,
): readonly string[] {
  if (!Array.isArray(keys) || keys.length === 0) throw invalidError('keys', keys, 'an array of at least one key')
  const checked = keys.map((key, index) => check(`keys[${index}]`, key))
  const repeated = checked.findIndex((key, index) => checked.indexOf(key) !== index)
  if (repeated !== -1) throw invalidError(`keys[${repeated}]`, checked[repeated], 'no duplicates')
  return checked
}

/** Checks that a key to be written is one of the configured keys, if there are any. @throws SdError `SD_INVALID` */
export function checkChosenKey(keys: readonly string[] | undefined, key: string): void {
  if (keys && !keys.includes(key)) throw invalidError('key', key, `one of ${keys.join(', ')}`)
}

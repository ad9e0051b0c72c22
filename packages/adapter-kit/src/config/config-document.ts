import { type ConfigDocument, type ConfigEntry, type ConfigFormat, checkOneOf, invalidError, SdError } from '@sd/core'

/** All formats. */
export const CONFIG_FORMATS: readonly ConfigFormat[] = ['json', 'yaml', 'toml', 'properties', 'env', 'text']

const extensions: Readonly<Record<string, ConfigFormat>> = {
  json: 'json',
  yaml: 'yaml',
  yml: 'yaml',
  toml: 'toml',
  properties: 'properties',
  env: 'env',
}

/**
 * Returns the format for the extension of a key: `.json`, `.yaml`, `.yml`, `.toml`, `.properties`, `.env`; otherwise
 * `otherwise`.
 */
export function formatOfKey(key: string, otherwise: ConfigFormat = 'text'): ConfigFormat {
  const extension = /\.(\w+)$/.exec(key)?.[1]?.toLowerCase() ?? ''
  return (Object.hasOwn(extensions, extension) && extensions[extension]) || otherwise
}

/**
 * Creates a document that reuses the entries of `previous` that have not changed. Returns `previous` itself if nothing
 * changed.
 */
export function createConfigDocument(
  source: string,
  entries: readonly ConfigEntry[],
  previous?: ConfigDocument | undefined,
): ConfigDocument {
  const before = new Map(previous?.entries.map((entry) => [entry.key, entry]))
  const kept = entries.map((entry) => {
    const old = before.get(entry.key)
    return old && isSameEntry(old, entry) ? old : Object.freeze({ ...entry })
  })
  const isSame = previous?.entries.length === kept.length && kept.every((entry, index) => entry === previous.entries[index])
  return isSame ? previous : Object.freeze({ source, entries: Object.freeze(kept) })
}

function isSameEntry(a: ConfigEntry, b: ConfigEntry): boolean {
  return (
    a.content === b.content &&
    a.revision === b.revision &&
    a.format === b.format &&
    a.author === b.author &&
    a.comment === b.comment &&
    a.updatedAt === b.updatedAt &&
    a.isSecret === b.isSecret
  )
}

/** Checks a format. @throws SdError `SD_INVALID` that names the field */
export function checkFormat(field: string, value: unknown): ConfigFormat {
  return checkOneOf(field, value, CONFIG_FORMATS)
}

/** Whether a string is a valid key: 1 to 255 characters in segments other than `.` and `..`, without a slash at either end. */
export function isConfigKey(text: string): boolean {
  const isPlain = text.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  return isPlain && text.length <= 255 && text.isWellFormed()
}

/**
 * Checks a key, see {@link isConfigKey}. Also rejects the segment `__proto__`: a configuration can't contain it, so one
 * such entry would make the source unreadable for everyone.
 *
 * @throws SdError `SD_INVALID` that names the field
 */
export function checkConfigKey(field: string, value: unknown): string {
  if (typeof value === 'string' && isConfigKey(value) && !value.split('/').includes('__proto__')) return value
  throw invalidError(field, value, 'a key such as orders.yaml or db/pool/size, of at most 255 characters')
}

/**
 * Checks a text before it is written. The message omits the text because it may be secret.
 *
 * @throws SdError `SD_INVALID` or `SD_TOO_LARGE` that names the field
 */
export function checkContent(field: string, value: unknown, maxBytes: number): string {
  if (typeof value !== 'string' || !value.isWellFormed()) throw invalidError(field, typeof value, 'well-formed text')
  const bytes = Buffer.byteLength(value)
  if (bytes <= maxBytes) return value
  throw new SdError('SD_TOO_LARGE', `Invalid ${field}: got ${bytes} bytes, want at most ${maxBytes}`, { field })
}

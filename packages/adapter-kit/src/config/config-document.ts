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

/** The format that a key's extension tells: `.json`, `.yaml`, `.yml`, `.toml`, `.properties`, `.env`; else `otherwise`. */
export function formatOfKey(key: string, otherwise: ConfigFormat = 'text'): ConfigFormat {
  const extension = /\.(\w+)$/.exec(key)?.[1]?.toLowerCase() ?? ''
  return (Object.hasOwn(extensions, extension) && extensions[extension]) || otherwise
}

/** A document whose entries are the same objects as before where nothing changed; `previous` itself if nothing did. */
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

/** Whether a text is an entry's key: 1 to 255 characters in segments without `.` and `..`, no slash at either end. */
export function isConfigKey(text: string): boolean {
  const isPlain = text.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  return isPlain && text.length <= 255 && text.isWellFormed()
}

/**
 * Checks an entry's key, see {@link isConfigKey}. A segment `__proto__` is refused as well: no configuration can be made of it, so that whoever wrote
 * it would take the source away from all readers.
 *
 * @throws SdError `SD_INVALID` that names the field
 */
export function checkConfigKey(field: string, value: unknown): string {
  if (typeof value === 'string' && isConfigKey(value) && !value.split('/').includes('__proto__')) return value
  throw invalidError(field, value, 'a key such as orders.yaml or db/pool/size, of at most 255 characters')
}

/**
 * Checks a text to be written. The text, which may be secret, is not shown.
 *
 * @throws SdError `SD_INVALID` or `SD_TOO_LARGE` that names the field
 */
export function checkContent(field: string, value: unknown, maxBytes: number): string {
  if (typeof value !== 'string' || !value.isWellFormed()) throw invalidError(field, typeof value, 'well-formed text')
  const bytes = Buffer.byteLength(value)
  if (bytes <= maxBytes) return value
  throw new SdError('SD_TOO_LARGE', `Invalid ${field}: got ${bytes} bytes, want at most ${maxBytes}`, { field })
}

import { SdError } from '@sd/core'

// Readers of JSON from outside. A reader returns a copy that has only the known fields, with bounded texts and lists, or throws
// SD_MALFORMED. A list drops items that can't be read, so that a newer version with other items can still be read.

/** Reads a value. @throws SdError `SD_MALFORMED` that names the field */
export type Read<T> = (value: unknown, field: string) => T

/** Longest name. */
const maxName = 255
/** Longest text for people. */
const maxText = 2_000
/** Most entries of a record. */
const maxEntries = 256

// biome-ignore lint/suspicious/noControlCharactersInRegex: rejecting control characters is the purpose.
const control = /[\u0000-\u001f\u007f-\u009f]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: replacing control characters is the purpose.
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g

/** Reads a name: 1 to 255 characters without control characters. */
export function name(value: unknown, field: string): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= maxName && !control.test(value)) return value
  throw malformed(field, 'a name of 1 to 255 characters')
}

/** Reads text for people: it is cut at 2,000 characters, and control characters become spaces. */
export function text(value: unknown, field: string): string {
  if (typeof value !== 'string') throw malformed(field, 'a string')
  const cut = value.length > maxText ? `${value.slice(0, maxText)}…` : value
  return (control.test(cut) ? cut.replaceAll(controls, ' ') : cut).toWellFormed()
}

/** Reads a finite number. */
export function number(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw malformed(field, 'a finite number')
}

/** Reads a number from 0 to 2^53. */
export function count(value: unknown, field: string): number {
  const read = number(value, field)
  if (read >= 0 && read <= Number.MAX_SAFE_INTEGER) return read
  throw malformed(field, 'a number of at least 0')
}

/** Reads `true` or `false`. */
export function boolean(value: unknown, field: string): boolean {
  if (typeof value === 'boolean') return value
  throw malformed(field, 'true or false')
}

/** Reads one of several strings. */
export function oneOf<const T extends string>(...allowed: readonly T[]): Read<T> {
  return (value, field) => {
    if (allowed.includes(value as T)) return value as T
    throw malformed(field, `one of ${allowed.join(', ')}`)
  }
}

/** Reads a literal, such as the version of a protocol. */
export function literal<const T extends string | number>(wanted: T): Read<T> {
  return (value, field) => {
    if (value === wanted) return wanted
    throw malformed(field, String(wanted))
  }
}

/** Reads a value that may be absent. */
export function optional<T>(read: Read<T>): Read<T | undefined> {
  return (value, field) => (value === undefined || value === null ? undefined : read(value, field))
}

/** Reads a value that older versions do not send. */
export function withDefault<T>(read: Read<T>, otherwise: T): Read<T> {
  return (value, field) => (value === undefined ? otherwise : read(value, field))
}

/** Reads an object. Unknown fields are ignored; absent ones are left out. */
export function object<T extends object>(fields: { readonly [Key in keyof T]-?: Read<T[Key]> }): Read<T> {
  const readers = Object.entries(fields) as [string, Read<unknown>][]
  return (value, field) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field, 'an object')
    const result: Record<string, unknown> = {}
    for (const [key, read] of readers) {
      const given = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
      const one = read(given, field === '' ? key : `${field}.${key}`)
      if (one !== undefined) result[key] = one
    }
    return result as T
  }
}

/** Reads a list. Items that can't be read are dropped, and so are those beyond `max`. An absent list is empty. */
export function list<T>(read: Read<T>, max: number = 10_000): Read<readonly T[]> {
  return (value, field) => {
    if (value === undefined) return []
    if (!Array.isArray(value)) throw malformed(field, 'a list')
    const items: T[] = []
    for (const item of value) {
      if (items.length >= max) break
      try {
        items.push(read(item, field))
      } catch {
        // It is of a newer version, or damaged. The others are still of use.
      }
    }
    return items
  }
}

/** Reads an object whose keys are names. Entries that can't be read are dropped, and so are those beyond 256. */
export function record<T>(read: Read<T>): Read<Readonly<Record<string, T>>> {
  return (value, field) => {
    if (value === undefined) return {}
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(field, 'an object')
    const entries: [string, T][] = []
    for (const [key, item] of Object.entries(value)) {
      if (entries.length >= maxEntries) break
      try {
        entries.push([name(key, field), read(item, field)])
      } catch {
        // As in a list.
      }
    }
    return Object.fromEntries(entries)
  }
}

/** Reads objects that differ by `kind`; an unknown kind can't be read. */
export function byKind<T extends { readonly kind: string }>(
  readers: {
    readonly [Kind in T['kind']]: Read<Extract<T, { kind: Kind }>>
  },
): Read<T> {
  const known = new Map<unknown, Read<T>>(Object.entries(readers) as [string, Read<T>][])
  return (value, field) => {
    const read = known.get((value as { readonly kind?: unknown } | null)?.kind)
    if (!read) throw malformed(`${field}.kind`, 'a known kind')
    return read(value, field)
  }
}

/** Reads nothing: a field that the model does not have. */
export function ignored(): undefined {
  return undefined
}

function malformed(field: string, want: string): SdError {
  return new SdError('SD_MALFORMED', `Invalid answer: ${field || 'the whole'} is not ${want}`, { field })
}

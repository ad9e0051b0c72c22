import { SdError } from './errors.ts'

/** Shows a rejected value in a message: its type, and the value itself where it is short. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  return isArray(value) ? 'an array' : `a value of type ${typeof value}`
}

/** As `Array.isArray`, which throws for a proxy that was revoked. */
function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

/**
 * The error of bad input: names the field, what it got and what it wants.
 *
 * @param field path of the field, such as `instance.port`
 * @param got the rejected value; strings are cut at 60 characters. Pass a description for secrets
 * @param want what would be right, such as `an integer from 1 to 65535`
 */
export function invalidError(field: string, got: unknown, want: string): SdError {
  return new SdError('SD_INVALID', `Invalid ${field}: got ${describe(got)}, want ${want}`, { field })
}

/** Limits of a checked number, both included. */
export interface NumberRange {
  /** Smallest accepted number. */
  readonly min: number
  /** Largest accepted number. */
  readonly max: number
}

/** Returns `value` if it is an integer in the range, else throws `SD_INVALID`. */
export function checkInteger(field: string, value: unknown, range: NumberRange): number {
  if (Number.isInteger(value) && (value as number) >= range.min && (value as number) <= range.max) {
    return value as number
  }
  throw invalidError(field, value, `an integer from ${range.min} to ${range.max}`)
}

/** Returns `value` if it is a finite number in the range, else throws `SD_INVALID`. */
export function checkNumber(field: string, value: unknown, range: NumberRange): number {
  if (Number.isFinite(value) && (value as number) >= range.min && (value as number) <= range.max) {
    return value as number
  }
  throw invalidError(field, value, `a number from ${range.min} to ${range.max}`)
}

/** Longest duration that a timer takes: 2^31 - 1 ms, about 24.8 days. */
export const MAX_DURATION_MS = 2_147_483_647

/** Returns `value` if it is a duration in whole milliseconds, else throws `SD_INVALID`. @param min smallest accepted, 0 by default */
export function checkDuration(field: string, value: unknown, min: number = 0): number {
  return checkInteger(field, value, { min, max: MAX_DURATION_MS })
}

/** Returns `value` if it is a boolean, else throws `SD_INVALID`. */
export function checkBoolean(field: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw invalidError(field, value, 'true or false')
}

/** Returns `value` if it is one of `allowed`, else throws `SD_INVALID`. */
export function checkOneOf<const T extends string>(field: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T
  throw invalidError(field, value, `one of ${allowed.join(', ')}`)
}

/** Returns `value` if it is a function, else throws `SD_INVALID`. */
export function checkFunction<T extends (...args: never[]) => unknown>(field: string, value: T): T {
  if (typeof value === 'function') return value
  if (isPromise(value)) throw invalidError(field, 'a promise', 'a function: an await is missing')
  throw invalidError(field, value, 'a function')
}

/** Returns `value` if it is an object that is no array, else throws `SD_INVALID`. */
export function checkObject(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (isPromise(value)) throw invalidError(field, 'a promise', 'what it resolves with: an await is missing')
  if (typeof value === 'object' && value !== null && !isArray(value)) return value as Record<string, unknown>
  throw invalidError(field, value, 'an object')
}

/** Whether an `await` was forgotten, as before `createRegistry`. */
function isPromise(value: unknown): boolean {
  try {
    return value instanceof Promise
  } catch {
    // A proxy may refuse to be read.
    return false
  }
}

/**
 * Throws `SD_INVALID` for the first key of `value` that is not in `known`, so that a misspelt option never goes unnoticed.
 *
 * @param field path of the object; empty for a function's options
 */
export function checkKnownKeys(field: string, value: object, known: readonly string[]): void {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : []
  // Of an array the first index is told, as an unknown field.
  if (keys.length === 0 && !isArray(value)) checkObject(field === '' ? 'options' : field, value)
  for (const key of keys) {
    if (known.includes(key)) continue
    const path = field === '' ? key : `${field}.${key}`
    const meant = findMeant(key, known)
    const want = meant === undefined ? 'want' : `do you mean ${meant}? Want`
    throw new SdError('SD_INVALID', `Invalid ${path}: unknown field, ${want} one of ${known.join(', ')}`, { field: path })
  }
}

/** Names that other clients give to an option of ours. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['endpoint', 'servers'],
  ['endpoints', 'servers'],
  ['hosts', 'servers'],
  ['serverlist', 'servers'],
])

/** Finds the known key that an unknown one probably stands for, such as `timeoutMs` for `timeout`. */
function findMeant(key: string, known: readonly string[]): string | undefined {
  const text = key.toLowerCase()
  const named = otherNames.get(text)
  if (named !== undefined && known.includes(named)) return named
  return known.find((other) => {
    const name = other.toLowerCase()
    return name === text || name === `${text}ms` || name === `${text}s` || `${name}s` === text || isOneTypoApart(name, text)
  })
}

/** Whether one letter is missing, added or another one, or two neighbours are swapped. */
function isOneTypoApart(one: string, other: string): boolean {
  const shorter = Math.min(one.length, other.length)
  if (Math.abs(one.length - other.length) > 1 || shorter < 4) return false
  let start = 0
  while (start < shorter && one[start] === other[start]) start++
  let end = 0
  while (end < shorter - start && one.at(-1 - end) === other.at(-1 - end)) end++
  const left = one.slice(start, one.length - end)
  const right = other.slice(start, other.length - end)
  return Math.max(left.length, right.length) <= 1 || (left.length === 2 && left === [...right].reverse().join(''))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: rejecting control characters is the purpose.
const controlCharacter = /[\u0000-\u001f\u007f]/

/**
 * Returns `value` if it is a name: 1 to `maxLength` characters of well-formed Unicode, no control characters, no white
 * space at either end. Slashes and any script are fine: adapters encode names for their backend.
 */
export function checkName(field: string, value: unknown, maxLength: number = 255): string {
  const ok =
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= maxLength &&
    !controlCharacter.test(value) &&
    value.isWellFormed() &&
    value.trim() === value
  if (ok) return value
  throw invalidError(field, value, `a string of 1 to ${maxLength} characters without control characters or outer white space`)
}

/** Returns `value` if it is a well-formed string of at most `maxLength` characters, else throws `SD_INVALID`. */
export function checkText(field: string, value: unknown, maxLength: number): string {
  if (typeof value === 'string' && value.length <= maxLength && value.isWellFormed()) return value
  throw invalidError(field, value, `a string of at most ${maxLength} characters`)
}

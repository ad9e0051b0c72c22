import { SdError } from './errors.ts'

/** Describes a rejected value in a message: its type, and the value itself if it is short. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  return isArray(value) ? 'an array' : `a value of type ${typeof value}`
}

/** Like `Array.isArray`, which throws for a revoked proxy. */
function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

/**
 * Creates the error for invalid input. The message names the field, what it got and what it wants.
 *
 * @param field path of the field, such as `instance.port`
 * @param got the rejected value; strings are cut at 60 characters. Pass a description instead of a secret
 * @param want the valid values, such as `an integer from 1 to 65535`
 */
export function invalidError(field: string, got: unknown, want: string): SdError {
  return new SdError('SD_INVALID', `Invalid ${field}: got ${describe(got)}, want ${want}`, { field })
}

/** Range of a number, inclusive. */
export interface NumberRange {
  /** Smallest accepted number. */
  readonly min: number
  /** Largest accepted number. */
  readonly max: number
}

/** Returns `value` if it is an integer in the range; otherwise throws `SD_INVALID`. */
export function checkInteger(field: string, value: unknown, range: NumberRange): number {
  if (Number.isInteger(value) && (value as number) >= range.min && (value as number) <= range.max) {
    return value as number
  }
  throw invalidError(field, value, `an integer from ${range.min} to ${range.max}`)
}

/** Returns `value` if it is a finite number in the range; otherwise throws `SD_INVALID`. */
export function checkNumber(field: string, value: unknown, range: NumberRange): number {
  if (Number.isFinite(value) && (value as number) >= range.min && (value as number) <= range.max) {
    return value as number
  }
  throw invalidError(field, value, `a number from ${range.min} to ${range.max}`)
}

/** Longest duration of a timer: 2^31 - 1 ms, about 24.8 days. */
export const MAX_DURATION_MS = 2_147_483_647

/**
 * Returns `value` if it is a duration in whole milliseconds; otherwise throws `SD_INVALID`. @param min smallest accepted
 * value, 0 by default
 */
export function checkDuration(field: string, value: unknown, min: number = 0): number {
  return checkInteger(field, value, { min, max: MAX_DURATION_MS })
}

/** Returns `value` if it is a boolean; otherwise throws `SD_INVALID`. */
export function checkBoolean(field: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw invalidError(field, value, 'true or false')
}

/** Returns `value` if it is one of `allowed`; otherwise throws `SD_INVALID`. */
export function checkOneOf<const T extends string>(field: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T
  throw invalidError(field, value, `one of ${allowed.join(', ')}`)
}

/** Returns `value` if it is a function; otherwise throws `SD_INVALID`. */
export function checkFunction<T extends (...args: never[]) => unknown>(field: string, value: T): T {
  if (typeof value === 'function') return value
  if (isPromise(value)) throw invalidError(field, 'a promise', 'a function (await the promise)')
  throw invalidError(field, value, 'a function')
}

/** Returns `value` if it is a non-array object; otherwise throws `SD_INVALID`. */
export function checkObject(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (isPromise(value)) throw invalidError(field, 'a promise', 'its result (await the promise)')
  if (typeof value === 'object' && value !== null && !isArray(value)) return value as Record<string, unknown>
  throw invalidError(field, value, 'an object')
}

/** Whether `value` is a promise, because an `await` is missing; for example before `createRegistry`. */
function isPromise(value: unknown): boolean {
  try {
    return value instanceof Promise
  } catch {
    // A proxy can throw on property access.
    return false
  }
}

/**
 * Throws `SD_INVALID` for the first key of `value` that is not in `known`, so that a misspelled option never goes
 * unnoticed.
 *
 * @param field path of the object; empty for a function's options
 */
export function checkKnownKeys(field: string, value: object, known: readonly string[]): void {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : []
  // For an array, the first index is reported as an unknown field.
  if (keys.length === 0 && !isArray(value)) checkObject(field === '' ? 'options' : field, value)
  for (const key of keys) {
    if (known.includes(key)) continue
    const path = field === '' ? key : `${field}.${key}`
    const meant = findMeant(key, known)
    const want = meant === undefined ? 'want' : `did you mean ${meant}? Want`
    throw new SdError('SD_INVALID', `Invalid ${path}: unknown field, ${want} one of ${known.join(', ')}`, { field: path })
  }
}

/** Names that other libraries use for an option. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['endpoint', 'servers'],
  ['endpoints', 'servers'],
  ['hosts', 'servers'],
  ['serverlist', 'servers'],
])

/** Returns the known key that an unknown one probably means: `timeoutMs` for `timeout`. */
function findMeant(key: string, known: readonly string[]): string | undefined {
  const text = key.toLowerCase()
  const named = otherNames.get(text)
  if (named !== undefined && known.includes(named)) return named
  return known.find((other) => {
    const name = other.toLowerCase()
    return name === text || name === `${text}ms` || name === `${text}s` || `${name}s` === text || isOneTypoApart(name, text)
  })
}

/** Whether two strings differ by one missing, added or changed letter, or by two swapped neighbours. */
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

/**
 * Returns an error whose field, in its message too, is below `path`: options of a part that were checked by that part. Any other value, and an
 * error that names no field, is returned unchanged.
 *
 * @param path path of the part, such as `retryBudget` or `members[1]`
 */
export function prefixField(path: string, error: unknown): unknown {
  if (!(error instanceof SdError) || error.field === undefined) return error
  const field = `${path}.${error.field}`
  return new SdError(error.code, error.message.replace(error.field, field), { field, cause: error })
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: rejecting control characters is the purpose.
const controlCharacter = /[\u0000-\u001f\u007f]/

/**
 * Returns `value` if it is a name: 1 to `maxLength` characters of well-formed Unicode without control characters and
 * without white space at either end; otherwise throws `SD_INVALID`. Slashes and all scripts are allowed: adapters encode
 * names for their backend.
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

/** Returns `value` if it is a well-formed string of at most `maxLength` characters; otherwise throws `SD_INVALID`. */
export function checkText(field: string, value: unknown, maxLength: number): string {
  if (typeof value === 'string' && value.length <= maxLength && value.isWellFormed()) return value
  throw invalidError(field, value, `a string of at most ${maxLength} characters`)
}

import { checkDuration, checkInteger, checkKnownKeys, checkObject, checkOneOf, invalidError } from '@sd/core'
import type { Problems } from './problems.ts'
import type { MinBodyRate } from './table.ts'

/** Checks the value at a path of a table. What is wrong with it goes to `problems`. */
export type Check = (path: string, value: unknown, problems: Problems) => void

/** A check for each field of a type: a new field without one does not compile. */
export type Shape<T> = { readonly [Field in keyof Required<T>]: Check }

/** A check by a function that throws an `SdError`, as those of `@sd/core` do. */
export function by(check: (path: string, value: unknown) => unknown): Check {
  return (path, value, problems) => {
    problems.attempt(() => check(path, value))
  }
}

/** One of some values. */
export function oneOf(...allowed: readonly (string | number)[]): Check {
  return by((path, value) => {
    if (typeof value !== 'number') return checkOneOf(path, value, allowed.map(String))
    if (!allowed.includes(value)) throw invalidError(path, value, `one of ${allowed.join(', ')}`)
    return value
  })
}

/** An object with fields of a shape, and no others. */
export function object<T>(shape: Shape<T>, required: readonly (keyof T & string)[] = []): Check {
  const known = Object.keys(shape)
  return (path, value, problems) => {
    const fields = problems.attempt(() => checkObject(path === '' ? 'table' : path, value))
    if (!fields) return
    for (const key of Object.keys(fields)) {
      if (known.includes(key)) continue
      problems.attempt(() => checkKnownKeys(path, { [key]: true }, known))
    }
    for (const key of known) {
      const field = fields[key]
      if (field !== undefined || required.includes(key as keyof T & string))
        shape[key as keyof T](join(path, key), field, problems)
    }
  }
}

/** An object with any names, such as those of header fields. */
export function recordOf(checkKey: (path: string, key: string) => unknown, check: Check, max: number): Check {
  return (path, value, problems) => {
    const fields = problems.attempt(() => checkObject(path, value))
    if (!fields) return
    const keys = Object.keys(fields)
    if (keys.length > max) problems.add(invalidError(path, `${keys.length} fields`, `at most ${max}`))
    for (const key of keys.slice(0, max)) {
      problems.attempt(() => checkKey(join(path, key), key))
      check(join(path, key), fields[key], problems)
    }
  }
}

/** An array, in which no value occurs twice. */
export function listOf(check: Check, { min = 0, max }: { readonly min?: number; readonly max: number }): Check {
  return (path, value, problems) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      const range = min === 0 ? `at most ${max}` : `${min} to ${max}`
      problems.add(invalidError(path, Array.isArray(value) ? `${value.length} entries` : value, `an array of ${range} entries`))
      return
    }
    for (const [index, entry] of value.entries()) {
      check(`${path}[${index}]`, entry, problems)
      if (typeof entry === 'string' && value.indexOf(entry) < index) {
        problems.add(invalidError(`${path}[${index}]`, entry, 'an entry that is not there yet'))
      }
    }
  }
}

/** A rate of request bodies, of a listener or a route. */
export const minBodyRate: Check = object<MinBodyRate>({
  bytesPerSecond: by((path, value) => checkInteger(path, value, { min: 0, max: 1_073_741_824 })),
  windowMs: by((path, value) => checkDuration(path, value, 1)),
})

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

import { checkText, invalidError } from '@sd/core'

type Leaf =
  | string
  | number
  | boolean
  | bigint
  | symbol
  | null
  | undefined
  | Date
  | RegExp
  | URL
  | readonly unknown[]
  | ((...args: never) => unknown)
// Limits the depth of recursive types.
type Shallower = [never, 0, 1, 2, 3, 4, 5, 6, 7, 8]

/** All dotted paths into `T`, such as `'db.pool.size'`, up to nine levels deep. An array is one value. */
export type Path<T, Depth extends number = 9> = unknown extends T
  ? string
  : [Depth] extends [never]
    ? never
    : T extends Leaf
      ? never
      : { [Key in keyof T & string]: Key | `${Key}.${Path<T[Key], Shallower[Depth]>}` }[keyof T & string]

/** Type of the value at a path of `T`. */
export type PathValue<T, P extends string> = unknown extends T
  ? unknown
  : T extends Leaf
    ? undefined
    : P extends `${infer Key}.${infer Rest}`
      ? Key extends keyof T
        ? PathValue<T[Key], Rest>
        : undefined
      : P extends keyof T
        ? T[P]
        : undefined

/** Splits a path such as `db.pool.size` into its keys. @throws SdError `SD_INVALID` that names the field */
export function splitPath(field: string, path: string): readonly string[] {
  const keys = checkText(field, path, 1_024).split('.')
  if (keys.includes('') || keys.includes('__proto__')) throw invalidError(field, path, 'a path such as db.pool.size')
  return keys
}

import type { OperationPattern } from '@sd/client'
import { SdError } from '@sd/core'

/** A method in upper case and a path, such as `GET /stock/{id}`. A name in braces stands for one segment of the path. */
export type Route = `${Uppercase<string>} /${string}`

/** One value for each name in the braces of a route, in order. */
export type RouteValues<R extends string> = R extends `${string}{${string}}${infer Rest}`
  ? [string | number, ...RouteValues<Rest>]
  : []

/**
 * The path of a route with its values.
 *
 * @throws SdError `SD_INVALID` with the name as field, for a value that is missing, empty or a dot segment: it would call another path
 */
export function buildPath({ segments, names }: OperationPattern, values: readonly unknown[]): string {
  let index = 0
  let path = ''
  for (const segment of segments) path += `/${segment ?? encodeSegment(names[index] as string, values[index++])}`
  return path === '' ? '/' : path
}

function encodeSegment(name: string, value: unknown): string {
  const isText = typeof value === 'string' && value !== '' && value !== '.' && value !== '..' && value.isWellFormed()
  if (isText || (typeof value === 'number' && Number.isFinite(value))) return encodeURIComponent(value)
  // The value may be a secret, such as a token in a path.
  const got = typeof value === 'string' ? `a string of ${value.length} characters` : value === null ? 'null' : typeof value
  throw new SdError('SD_INVALID', `Invalid ${name}: got ${got}, want a number or a string that is not empty, "." or ".."`, {
    field: name,
  })
}

import { invalidError, SdError } from '@sd/core'

/** A method in upper case and a path, such as `GET /stock/{id}`. A name in braces stands for one segment of the path. */
export type Route = `${Uppercase<string>} /${string}`

/** One value for each name in the braces of a route, in order. */
export type RouteValues<R extends string> = R extends `${string}{${string}}${infer Rest}`
  ? [string | number, ...RouteValues<Rest>]
  : []

/** A route, parsed. */
export interface ParsedRoute {
  readonly method: string
  /** Text before, between and after the values: one more than there are names. */
  readonly texts: readonly string[]
  /** Names in the braces, in order. */
  readonly names: readonly string[]
}

/**
 * Parses a route.
 *
 * @throws SdError `SD_INVALID` with the field `route`
 */
export function parseRoute(route: unknown): ParsedRoute {
  const [, method, path = ''] = /^([A-Z]{1,20}) (\/[^?#\s]*)$/.exec(String(route)) ?? []
  const segments = path.slice(1).split('/')
  const isGood = segments.every((segment) => /^(?:\{[\w-]+\}|[^{}]*)$/.test(segment))
  if (typeof route !== 'string' || method === undefined || !isGood) {
    throw invalidError('route', route, 'a method in upper case and a path, such as GET /stock/{id}')
  }
  const parts = path.split(/\{([\w-]+)\}/)
  return {
    method,
    texts: parts.filter((_, index) => index % 2 === 0),
    names: parts.filter((_, index) => index % 2 === 1),
  }
}

/**
 * The path of a route with its values.
 *
 * @throws SdError `SD_INVALID` with the name as field, for a value that is missing, empty or a dot segment: it would call another path
 */
export function buildPath({ texts, names }: ParsedRoute, values: readonly unknown[]): string {
  let path = texts[0] as string
  for (const [index, name] of names.entries()) {
    path += encodeSegment(name, values[index]) + (texts[index + 1] as string)
  }
  return path
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

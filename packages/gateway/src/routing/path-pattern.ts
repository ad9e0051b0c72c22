/** Stands for a segment of any text in a {@link PathPattern}. */
export const anySegment: unique symbol = Symbol('any segment')

/** The path of a match, in segments. */
export interface PathPattern {
  /** Texts in canonical form, and placeholders. */
  readonly segments: readonly (string | typeof anySegment)[]
  /** Whether any further segments may follow. */
  readonly hasRest: boolean
  /** The same for two paths that match the same requests. */
  readonly key: string
}

/** Reads a path that was checked, such as `/orders/{id}/*`. @param path `undefined` for any */
export function readPattern(path: string | undefined = '/*'): PathPattern {
  const parts = path.slice(1).split('/')
  const hasRest = parts.at(-1) === '*'
  if (hasRest) parts.pop()
  const segments = parts.map((part) => (part.startsWith('{') ? anySegment : canonicalSegment(part)))
  const texts = segments.map((segment) => (segment === anySegment ? '{}' : `=${segment}`))
  return { segments, hasRest, key: `/${[...texts, ...(hasRest ? ['*'] : [])].join('/')}` }
}

/**
 * The form of a segment in which routes compare it: escapes are decoded, because the server behind does so too. A route for
 * `/admin` would otherwise miss `/%61dmin`. The result has a character for each byte.
 */
export function canonicalSegment(segment: string): string {
  if (!segment.includes('%')) return segment
  return segment.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

import { invalidError } from '@sd/core'

/** Maximum number of operations of one service: they are compared one after the other. */
export const maxOperations = 200

/** An operation of a service, such as `GET /stock/{id}`. */
export interface OperationPattern {
  /** HTTP method in upper case. */
  readonly method: string
  /** Segments of the path; `undefined` matches any one segment. */
  readonly segments: readonly (string | undefined)[]
  /** Names in braces, in order: one for each `undefined` segment. */
  readonly names: readonly string[]
}

/**
 * Reads `GET /stock/{id}`. A segment in braces matches any one segment that is not empty.
 *
 * @throws SdError `SD_INVALID` that names the operation
 */
export function readOperation(path: string, operation: string): OperationPattern {
  const [, method, pattern] = /^([A-Z]{1,20}) (\/[^?#\s]*)$/.exec(operation) ?? []
  const segments = pattern?.slice(1).split('/')
  const isGood = segments?.every((segment) => /^(?:\{[\w-]+\}|[^{}]*)$/.test(segment))
  if (method === undefined || !segments || !isGood) {
    throw invalidError(path, operation, 'a method in upper case and a path, such as GET /stock/{id}')
  }
  return {
    method,
    segments: segments.map((segment) => (segment.startsWith('{') ? undefined : segment)),
    names: segments.filter((segment) => segment.startsWith('{')).map((segment) => segment.slice(1, -1)),
  }
}

/** Finds the value of the operation that matches a request. */
export interface OperationMatcher<T> {
  /**
   * The value of the first operation that matches; of several, the one with more literal text to the left. Allocates
   * nothing. @param path with query
   */
  find(method: string, path: string): T | undefined
}

/** Creates a matcher of operations with their values. */
export function createOperationMatcher<T>(operations: readonly (readonly [OperationPattern, T])[]): OperationMatcher<T> {
  const byMethod = Map.groupBy(operations.toSorted(compareOperations), ([{ method }]) => method)
  return {
    find(method, path) {
      const candidates = byMethod.get(method)
      if (!candidates) return undefined
      const queryAt = path.indexOf('?')
      const end = queryAt < 0 ? path.length : queryAt
      for (const [{ segments }, value] of candidates) if (matches(segments, path, end)) return value
      return undefined
    },
  }
}

/** From the left, literal segments come before placeholders. */
function compareOperations([one]: readonly [OperationPattern, unknown], [other]: readonly [OperationPattern, unknown]): number {
  for (const [index, segment] of one.segments.entries()) {
    const difference = Number(segment === undefined) - Number(other.segments[index] === undefined)
    if (difference !== 0) return difference
  }
  return 0
}

function matches(segments: OperationPattern['segments'], path: string, end: number): boolean {
  let at = 1
  for (let index = 0; index < segments.length; index++) {
    if (at > end) return false
    const segment = segments[index]
    const slashAt = path.indexOf('/', at)
    const segmentEnd = slashAt < 0 || slashAt > end ? end : slashAt
    if (segment === undefined ? segmentEnd === at : segmentEnd - at !== segment.length || !path.startsWith(segment, at))
      return false
    at = segmentEnd + 1
  }
  return at > end
}

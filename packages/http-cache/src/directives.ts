/** Directives of `cache-control`: names in lower case. A directive without a value has an empty one. */
export type Directives = ReadonlyMap<string, string>

const directive = /([!#$%&'*+\-.^_`|~\da-z]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?[^,]*(?:,|$)/giy
const separator = /[\s,]*/y

/** No cache needs a longer time, and numbers stay exact (RFC 9111, 1.2.2). */
const mostSeconds = 2_147_483_648

/** Reads a `cache-control` field. Of a directive that occurs twice, the first is valid (RFC 9111, 4.2.1). */
export function parseDirectives(value: string | undefined): Directives {
  const directives = new Map<string, string>()
  if (value === undefined) return directives
  let at = 0
  while (at < value.length) {
    separator.lastIndex = at
    separator.exec(value)
    directive.lastIndex = separator.lastIndex
    const match = directive.exec(value)
    if (!match) {
      const comma = value.indexOf(',', separator.lastIndex)
      if (comma < 0) break
      at = comma + 1
      continue
    }
    at = directive.lastIndex
    const name = (match[1] as string).toLowerCase()
    if (!directives.has(name)) directives.set(name, match[2]?.replaceAll(/\\(.)/g, '$1') ?? match[3] ?? '')
  }
  return directives
}

/**
 * A time of a directive, in milliseconds.
 *
 * @returns `undefined` if the directive is absent, 0 if its value is not valid: the response is stale then (RFC 9111, 4.2.1)
 */
export function durationOf(directives: Directives, name: string): number | undefined {
  const value = directives.get(name)
  if (value === undefined) return undefined
  return /^\d+$/.test(value) ? Math.min(Number(value), mostSeconds) * 1_000 : 0
}

import type { Coding } from './codings.ts'

const element = /^\s*([!#$%&'*+\-.^_`|~\w]+)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/i

/**
 * The coding of a response (RFC 9110, 12.5.3): the one that the client prefers, and of several that it prefers equally the
 * first of `supported`. An element that is not valid has no effect.
 *
 * @param accepted value of `accept-encoding`
 * @returns `undefined` for a response without a coding: also if the client accepts nothing, because that may be ignored
 */
export function negotiateCoding(accepted: string | undefined, supported: readonly Coding[]): Coding | undefined {
  if (accepted === undefined) return undefined
  const qualities = readQualities(accepted)
  const others = qualities.get('*') ?? 0
  let best: Coding | undefined
  let quality = 0
  for (const coding of supported) {
    const own = qualities.get(coding) ?? others
    if (own <= quality) continue
    best = coding
    quality = own
  }
  return (qualities.get('identity') ?? 0) > quality ? undefined : best
}

/** Of several elements with one name, the first applies. */
function readQualities(accepted: string): ReadonlyMap<string, number> {
  const qualities = new Map<string, number>()
  for (const text of accepted.split(',')) {
    const [, name, quality = '1'] = element.exec(text) ?? []
    if (name === undefined) continue
    const coding = toCoding(name)
    if (!qualities.has(coding)) qualities.set(coding, Number(quality))
  }
  return qualities
}

/** A name of a coding in lower case. RFC 9110, 8.4.1.3: `x-gzip` is `gzip`. */
export function toCoding(name: string): string {
  const lower = name.toLowerCase()
  return lower === 'x-gzip' ? 'gzip' : lower
}

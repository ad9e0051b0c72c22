import { isToken } from '../message/request-check.ts'

/** Spellings of names with their lower case: nearly every name is found without a new string. */
const knownNames = new Map<string, string>()
const maxKnownNames = 1_000

/** The name of a field in lower case; empty if it is not a token. */
export function lowerFieldName(spelling: string): string {
  const known = knownNames.get(spelling)
  if (known !== undefined) return known
  const name = isToken(spelling) ? spelling.toLowerCase() : ''
  if (knownNames.size < maxKnownNames && spelling.length <= 40) knownNames.set(spelling, name)
  return name
}

import { getField, listOf, type RawFields } from './fields.ts'
import type { StoredResponse } from './stored-response.ts'

/** Fields whose values do not depend on case. */
const ignoresCase: ReadonlySet<string> = new Set(['accept', 'accept-charset', 'accept-encoding', 'accept-language'])

/** The names in a `vary` field. @returns `undefined` if it has `*`: the response fits no other request */
export function varyNames(rawHeaders: RawFields): readonly string[] | undefined {
  const names = listOf(getField(rawHeaders, 'vary'))
  return names.includes('*') ? undefined : [...new Set(names)].sort()
}

/** What a response was selected by: each field with the value of the request, normalised (RFC 9111, 4.1). */
export function selectionOf(names: readonly string[], request: RawFields): StoredResponse['selection'] {
  return names.map((name) => [name, normalise(name, getField(request, name))])
}

/** The newest of the responses that fit the request. */
export function selectResponse(responses: readonly StoredResponse[], request: RawFields): StoredResponse | undefined {
  let selected: StoredResponse | undefined
  for (const response of responses) {
    if (selected && selected.receivedAt >= response.receivedAt) continue
    if (response.selection.every(([name, value]) => normalise(name, getField(request, name)) === value)) selected = response
  }
  return selected
}

/** White space around members has no meaning, nor has the order of codings. An absent field differs from an empty one. */
function normalise(name: string, value: string | undefined): string {
  if (value === undefined) return '-'
  const members = value.split(',').map((member) => member.trim().replace(/\s*;\s*/g, ';'))
  const known = ignoresCase.has(name) ? members.map((member) => member.toLowerCase()) : members
  return `=${(name === 'accept-encoding' ? known.sort() : known).join(',')}`
}

/** Header fields, names in lower case and values in turn. */
export type RawFields = readonly string[]

/** The value of a field; repeated ones are joined by `, `. */
export function getField(raw: RawFields, name: string): string | undefined {
  let found: string | undefined
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index] === name) found = found === undefined ? raw[index + 1] : `${found}, ${raw[index + 1]}`
  }
  return found
}

/** Copies fields without those of the names. */
export function withoutFields(raw: RawFields, names: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    if (!names.has(name)) kept.push(name, raw[index + 1] as string)
  }
  return kept
}

/** Members of a field that is a list, in lower case. */
export function listOf(value: string | undefined): string[] {
  const members = value?.split(',').map((member) => member.trim().toLowerCase()) ?? []
  return members.filter((member) => member !== '')
}

/** Fields that are not stored (RFC 9111, 3.1): those of one connection, those of a proxy, and those that the cache writes itself. */
const notStored: ReadonlySet<string> = new Set([
  'age',
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** The fields of a response that are stored. */
export function storableFields(raw: RawFields): string[] {
  const nominated = listOf(getField(raw, 'connection'))
  return withoutFields(raw, nominated.length === 0 ? notStored : new Set([...notStored, ...nominated]))
}

/** Fields that are about the stored body, which a 304 response does not change (RFC 9111, 3.2). */
const ofBody: ReadonlySet<string> = new Set(['content-encoding', 'content-length', 'content-range', 'content-type'])

/** The fields of a stored response after a 304 response with its own: fields of the same name are replaced. */
export function freshenFields(stored: RawFields, received: RawFields): string[] {
  const fresh = withoutFields(storableFields(received), ofBody)
  return [...withoutFields(stored, new Set(fresh.filter((_, index) => index % 2 === 0))), ...fresh]
}

import { checkName, invalidError } from './validate.ts'

/**
 * Checks the name of a service like `checkName`, and rejects URLs, the most common mistake. @returns the name
 *
 * @param field path of the option or argument
 * @throws SdError `SD_INVALID` that names the field; for a URL, with the name to use instead
 */
export function checkServiceName(field: string, value: unknown): string {
  const name = checkName(field, value)
  const host = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(name)?.[1]
  if (host === undefined) return name
  // The host may be preceded by user and password.
  const bare = host.replace(/^.*@/, '').replace(/:\d*$/, '')
  throw invalidError(
    field,
    'a URL',
    `the name of a service, such as ${bare ? `"${bare}"` : '"orders"'}, without protocol, port and path`,
  )
}

const plain = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
const escaped = /~([0-9a-f]{2})/g

/**
 * Encodes a name with letters, digits, `.`, `_`, `-` and `~`, for backends in which other characters have a special
 * meaning. Every other byte of its UTF-8 becomes `~` and two hexadecimal digits, as does a first character that is not a
 * letter or digit. Ordinary names are unchanged.
 */
export function escapeName(name: string): string {
  if (plain.test(name)) return name
  let result = ''
  for (const byte of new TextEncoder().encode(name)) {
    const character = String.fromCharCode(byte)
    const isPlain = result === '' ? /[A-Za-z0-9]/.test(character) : /[A-Za-z0-9._-]/.test(character)
    result += isPlain ? character : `~${byte.toString(16).padStart(2, '0')}`
  }
  return result
}

/**
 * Decodes a name that {@link escapeName} encoded. Text that it never produces, such as another tool's name with a `~`, is
 * returned unchanged.
 */
export function unescapeName(text: string): string {
  if (!text.includes('~')) return text
  const bytes = Buffer.from(
    text.replace(escaped, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    'latin1',
  )
  const name = bytes.toString('utf8')
  return escapeName(name) === text ? name : text
}

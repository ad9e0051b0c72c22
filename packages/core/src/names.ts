import { checkName, invalidError } from './validate.ts'

/**
 * Checks the name of a service: as `checkName`, and not a URL, which is the commonest mistake. @returns it
 *
 * @param field path of the option or argument
 * @throws SdError `SD_INVALID` that names the field, and the name to write where a URL was given
 */
export function checkServiceName(field: string, value: unknown): string {
  const name = checkName(field, value)
  const host = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(name)?.[1]
  if (host === undefined) return name
  // User and password may stand before the host.
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
 * A name in letters, digits, `.`, `_`, `-` and `~`, for backends that give other characters a meaning: every other byte of its UTF-8 becomes
 * `~` and two hexadecimal digits, and so does a first character that is no letter or digit. Ordinary names stay as they are.
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

/** The name that {@link escapeName} was given. What it never writes, such as another tool's name with a `~`, is returned as it is. */
export function unescapeName(text: string): string {
  if (!text.includes('~')) return text
  const bytes = Buffer.from(
    text.replace(escaped, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    'latin1',
  )
  const name = bytes.toString('utf8')
  return escapeName(name) === text ? name : text
}

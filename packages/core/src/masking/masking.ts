import { checkKnownKeys, checkName, checkObject, checkText, invalidError } from '../validate.ts'
import { MASK, maskJsonLine, maskText } from './masked-text.ts'

/** Additional secrets, beyond the built-in rules. */
export interface MaskingOptions {
  /** Additional suffixes of names whose values are secret, such as `iban`. Case-insensitive. @default [] */
  readonly names?: readonly string[]
  /** Paths whose values are secret, including everything below them, such as `db.url`; or patterns for paths. @default [] */
  readonly paths?: readonly (string | RegExp)[]
  /**
   * Patterns for secret parts of any text, such as card numbers. They must run in linear time, because they process text
   * from outside. @default []
   */
  readonly contents?: readonly RegExp[]
}

/** The rule that masks secrets in explanations, diffs, logs, errors and files. */
export interface Masking {
  /**
   * Whether the value of a field with this name is secret: `dbPassword`, `X-Api-Key`, `set-cookie`, `dsn`. A bare `key`
   * is not.
   */
  isSecretName(name: string): boolean
  /** Whether the value at a configuration path is secret because of any of its names. Here a bare `key` is, as in `tls.key`. */
  isSecretPath(path: readonly string[]): boolean
  /**
   * Masks the secrets that a text contains: passwords in URLs and connection strings, tokens, private keys. Linear in its
   * length.
   */
  text(text: string): string
  /** Like `text`, for a line of JSON whose fields with secret names are already masked. The result is valid JSON. */
  line(json: string): string
  /**
   * Returns a copy of plain data with secrets replaced by {@link MASK}, by path and by content. Masks everything below 64
   * levels.
   */
  value(value: unknown, path?: readonly string[]): unknown
}

/** Words that make a name secret: anywhere in a configuration path, and at the end of a field name. */
const secretWords: ReadonlySet<string> = new Set(
  'password passwords passwd passphrase passcode pwd secret secrets token tokens apikey credential credentials authorization jwt'.split(
    ' ',
  ),
)
/** Words that make a name secret only at its end. */
const secretEnds: ReadonlySet<string> = new Set(
  'auth cookie cookies dsn otp pin private signature sas connectionstring'.split(' '),
)
/** Words that make a following `key` or `keys` secret. */
const keyWords: ReadonlySet<string> = new Set(
  'api access account private secret signing encryption master shared license storage'.split(' '),
)
/** Suffixes of names that are not split into words, such as `dbpassword`. */
const longEnds =
  /(?:passw(?:or)?ds?|passphrase|secret|token|credentials?|authorization|cookies?|(?:api|access|private|secret|signing|encryption)[-_ ]?keys?)$/i

const maxDepth = 64

/** Creates a masking rule. @param field name of the options in errors @throws SdError `SD_INVALID` that names the option */
export function createMasking(options: MaskingOptions = {}, field: string = 'masking'): Masking {
  checkKnownKeys(field, checkObject(field, options), ['names', 'paths', 'contents'])
  const ends = (options.names ?? []).map((name, index) => checkName(`${field}.names[${index}]`, name).toLowerCase())
  const paths = (options.paths ?? []).map((path, index) => readPath(`${field}.paths[${index}]`, path))
  const own = (options.contents ?? []).map((pattern, index) => {
    if (!(pattern instanceof RegExp)) throw invalidError(`${field}.contents[${index}]`, pattern, 'a RegExp')
    return new RegExp(pattern.source, pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`)
  })

  function isSecretName(name: string): boolean {
    const words = wordsOf(name)
    const last = words.at(-1) ?? ''
    if (secretWords.has(last) || secretEnds.has(last) || longEnds.test(name)) return true
    if (/^keys?$/.test(last) && keyWords.has(words.at(-2) ?? '')) return true
    if (last === 'string' && words.at(-2) === 'connection') return true
    const lower = ends.length > 0 ? name.toLowerCase() : ''
    return ends.some((end) => lower.endsWith(end))
  }
  function isSecretPath(keys: readonly string[]): boolean {
    if (keys.some((key) => wordsOf(key).some((word) => secretWords.has(word) || word === 'key' || word === 'keys'))) return true
    // An item of a list is as secret as the list.
    const last = keys.findLast((key) => !/^\d+$/.test(key))
    if (last !== undefined && isSecretName(last)) return true
    if (paths.length === 0) return false
    const path = keys.join('.')
    return paths.some((test) => test(path))
  }
  function maskOwn(text: string): string {
    return own.reduce((masked, pattern) => masked.replace(pattern, MASK), text)
  }
  const text = (given: string): string => maskOwn(maskText(given))
  const line = (given: string): string => maskOwn(maskJsonLine(given))
  function value(given: unknown, path: readonly string[], depth: number): unknown {
    if (given === undefined || given === null) return given
    if (typeof given !== 'object') return isSecretPath(path) ? MASK : typeof given === 'string' ? text(given) : given
    if (depth > maxDepth) return MASK
    if (Array.isArray(given)) return given.map((item, index) => value(item, [...path, String(index)], depth + 1))
    return Object.fromEntries(Object.entries(given).map(([key, item]) => [key, value(item, [...path, key], depth + 1)]))
  }
  return { isSecretName, isSecretPath, text, line, value: (given, path = []) => value(given, path, 0) }
}

/** The built-in rule. */
export const masking: Masking = createMasking()

function readPath(field: string, path: string | RegExp): (path: string) => boolean {
  if (path instanceof RegExp) return (text) => text.search(path) >= 0
  const start = checkText(field, path, 1_024)
  return (text) => text === start || text.startsWith(`${start}.`)
}

function wordsOf(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((word) => word !== '')
}

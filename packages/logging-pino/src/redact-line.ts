import { checkKnownKeys, checkName, checkObject } from '@sd/core'

/** What must not be in the logs, besides what never is. */
export interface RedactOptions {
  /** More ends of names, such as `iban`; letters of either case match. @default [] */
  readonly keys?: readonly string[]
  /** Paths as pino's own `redact` has them, such as `user.email` or `orders[*].card`. @default [] */
  readonly paths?: readonly string[]
}

/** What stands in for a secret; pino's own word. */
export const censored = '[Redacted]'

/** Ends of the names whose values are secrets wherever they are: `set-cookie`, `dbPassword` and `X-Api-Key` all match. */
const secretNames = [
  'authorization',
  'cookies?',
  'passw(?:or)?d',
  'passphrase',
  'pwd',
  'secret',
  'token',
  'credentials?',
  '(?:api|access|private|secret|signing|encryption)[-_ ]?key',
  // Node's list of names and values, one after the other.
  'rawheaders',
]

/**
 * Makes the function that blanks out the values of secret names in a line of JSON, at any depth. It works on the text because only there
 * everything has come together: arguments, bindings of child loggers, serialized errors; and because a line without such a name then costs
 * one search. An escaped quote can't end a name, so the text of a value never looks like one.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLineRedactor(options: RedactOptions): (line: string) => string {
  checkKnownKeys('redact', checkObject('redact', options), ['keys', 'paths'])
  const own = (options.keys ?? []).map((key, index) => checkName(`redact.keys[${index}]`, key))
  const names = [...secretNames, ...own.map((key) => escapePattern(JSON.stringify(key).slice(1, -1)))]
  const secret = new RegExp(`(?:${names.join('|')})":`, 'gi')
  return (line) => {
    let result = ''
    let kept = 0
    secret.lastIndex = 0
    while (secret.exec(line)) {
      result += `${line.slice(kept, secret.lastIndex)}"${censored}"`
      kept = endOfValue(line, secret.lastIndex)
      secret.lastIndex = kept
    }
    return kept === 0 ? line : result + line.slice(kept)
  }
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

/** Where the JSON value ends that starts at `start`. */
function endOfValue(line: string, start: number): number {
  let depth = 0
  for (let at = start; at < line.length; at++) {
    const character = line[at]
    if (character === '"') at = endOfString(line, at)
    else if (character === '{' || character === '[') depth++
    else if (depth === 0 && (character === ',' || character === '}' || character === ']')) return at
    else if (character === '}' || character === ']') depth--
  }
  return line.length
}

/** Where the quote is that ends the string which starts at `start`. */
function endOfString(line: string, start: number): number {
  let at = start + 1
  while (at < line.length && line[at] !== '"') at += line[at] === '\\' ? 2 : 1
  return at
}

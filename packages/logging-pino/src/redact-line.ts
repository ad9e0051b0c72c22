import { checkKnownKeys, checkName, checkObject, createMasking } from '@sd/core'

/** What must not be in the logs, besides what never is. */
export interface RedactOptions {
  /** More ends of names, such as `iban`; letters of either case match. @default [] */
  readonly keys?: readonly string[]
  /** Paths as pino's own `redact` has them, such as `user.email` or `orders[*].card`. @default [] */
  readonly paths?: readonly string[]
  /** Patterns for parts of texts, such as card numbers. They must be linear in the text. @default [] */
  readonly contents?: readonly RegExp[]
}

/** What stands in for a secret; pino's own word. */
export const censored = '[Redacted]'

/** Ends of names that may be secret; whether one is, the rule of `@sd/core` says of the whole name. */
const candidates =
  'authorization|auth|cookies?|passw(?:or)?ds?|passphrase|passcode|pwd|secrets?|tokens?|credentials?|keys?|jwt|dsn|otp|pin|private|signature|sas|string'
/** Node's list of names and values, one after the other. */
const rawHeaders = 'rawHeaders'

/**
 * Makes the function that blanks out secrets in a line of JSON: the values of secret names at any depth, and what looks like a secret within texts. It
 * works on the text because only there everything has come together: arguments, bindings of child loggers, serialized errors; and because a line
 * without such a name then costs one search. An escaped quote can't end a name, so the text of a value never looks like one.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createLineRedactor(options: RedactOptions): (line: string) => string {
  checkKnownKeys('redact', checkObject('redact', options), ['keys', 'paths', 'contents'])
  const { keys = [], contents = [] } = options
  const own = keys.map((key, index) => checkName(`redact.keys[${index}]`, key))
  const masking = createMasking({ names: own, contents }, 'redact')
  const ends = [candidates, rawHeaders, ...own.map((key) => escapePattern(JSON.stringify(key).slice(1, -1)))]
  const secret = new RegExp(`(?:${ends.join('|')})":`, 'gi')

  function isSecret(name: string): boolean {
    return name.toLowerCase() === rawHeaders.toLowerCase() || masking.isSecretName(name)
  }
  function maskNames(line: string): string {
    let result = ''
    let kept = 0
    secret.lastIndex = 0
    while (secret.exec(line)) {
      const end = secret.lastIndex
      if (!isSecret(nameBefore(line, end - 2))) continue
      result += `${line.slice(kept, end)}"${censored}"`
      kept = endOfValue(line, end)
      secret.lastIndex = kept
    }
    return kept === 0 ? line : result + line.slice(kept)
  }
  return (line) => masking.line(maskNames(line))
}

/** The name whose closing quote is at `end`. */
function nameBefore(line: string, end: number): string {
  let start = end - 1
  while (start >= 0 && (line[start] !== '"' || isEscaped(line, start))) start--
  const text = line.slice(start + 1, end)
  if (!text.includes('\\')) return text
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}

function isEscaped(line: string, at: number): boolean {
  let backslashes = 0
  while (line[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
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

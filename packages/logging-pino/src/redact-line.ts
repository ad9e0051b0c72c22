import { checkKnownKeys, checkName, checkObject, createMasking } from '@sd/core'

/** Additional secrets to redact. */
export interface RedactOptions {
  /** Additional ends of secret names, such as `iban`; case-insensitive. @default [] */
  readonly keys?: readonly string[]
  /** Paths as in pino's `redact`, such as `user.email` or `orders[*].card`. @default [] */
  readonly paths?: readonly string[]
  /** Patterns for parts of texts, such as card numbers. They must run in linear time. @default [] */
  readonly contents?: readonly RegExp[]
}

/** Replacement of a secret, as in pino. */
export const censored = '[Redacted]'

/** Ends of names that can be secret. The rule of `@sd/core` decides by the whole name. */
const candidates =
  'authorization|auth|cookies?|passw(?:or)?ds?|passphrase|passcode|pwd|secrets?|tokens?|credentials?|keys?|jwt|dsn|otp|pin|private|signature|sas|string'
/** Node's flat list of header names and values. */
const rawHeaders = 'rawHeaders'

/**
 * Creates the function that redacts secrets in a line of JSON: the values of secret names at any depth, and texts that look like
 * secrets. It works on the text, because only the text contains everything (arguments, bindings of child loggers, serialized
 * errors), and because a line without a secret name then costs one search. An escaped quote can't end a name, so the text of a
 * value never looks like a name.
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

/** The name with its closing quote at `end`. */
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

/** End of the JSON value that starts at `start`. */
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

/** Position of the closing quote of the string that starts at `start`. */
function endOfString(line: string, start: number): number {
  let at = start + 1
  while (at < line.length && line[at] !== '"') at += line[at] === '\\' ? 2 : 1
  return at
}

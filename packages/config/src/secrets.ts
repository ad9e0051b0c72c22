import { checkText, invalid } from '@sd/core'
import { isTree } from './config-tree.ts'

/** What stands for a secret. */
export const MASK = '***'

const secretWords: ReadonlySet<string> = new Set(
  'password passwords passwd passphrase pwd secret secrets token tokens key keys apikey credential credentials authorization'.split(
    ' ',
  ),
)

/** Tells secret paths. */
export type SecretTest = (keys: readonly string[]) => boolean

/**
 * Makes the test whether what is at a path is secret: because a word in it, such as that of `apiKey` or `DB_PASSWORD`, says so, or a pattern.
 *
 * @throws SdError `SD_INVALID` that names the pattern
 */
export function createSecretTest(patterns: readonly (string | RegExp)[]): SecretTest {
  if (!Array.isArray(patterns)) throw invalid('secrets', patterns, 'an array')
  const tests = patterns.map((pattern, index) => {
    if (pattern instanceof RegExp) return (path: string) => path.search(pattern) >= 0
    const start = checkText(`secrets[${index}]`, pattern, 1_024)
    return (path: string) => path === start || path.startsWith(`${start}.`)
  })
  return (keys) => {
    if (keys.some((key) => wordsOf(key).some((word) => secretWords.has(word)))) return true
    const path = keys.join('.')
    return tests.some((test) => test(path))
  }
}

function wordsOf(key: string): readonly string[] {
  return key
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
}

/** What may be shown of a value: secrets are masked, and passwords in URLs. */
export function maskValue(value: unknown, keys: readonly string[], isSecret: SecretTest): unknown {
  if (Array.isArray(value)) return value.map((item, index) => maskValue(item, [...keys, String(index)], isSecret))
  if (isTree(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, maskValue(item, [...keys, key], isSecret)]))
  }
  if (value === undefined || value === null) return value
  if (isSecret(keys)) return MASK
  return typeof value === 'string' ? value.replaceAll(/(:\/\/[^\s/:@]*:)[^\s/@]+@/g, `$1${MASK}@`) : value
}

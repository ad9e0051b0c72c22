import { createMasking, MASK, type Masking, type MaskingOptions } from '@sd/core'
import { isTree } from './config-tree.ts'

/** Tells secret paths. */
export type SecretTest = (keys: readonly string[]) => boolean

/** Shortest secret that is looked for in other texts: a shorter one would be found in every word. */
const shortestSecret = 3

/** Makes the rule of what is shown. @param secrets paths, or all of the rule @throws SdError `SD_INVALID` that names the option */
export function readMasking(secrets: readonly (string | RegExp)[] | MaskingOptions): Masking {
  return createMasking(
    Array.isArray(secrets) ? { paths: secrets as readonly (string | RegExp)[] } : (secrets as MaskingOptions),
    'secrets',
  )
}

/** What may be shown of a value: secrets are masked, by their path and in what the rest of it says. */
export function maskValue(
  value: unknown,
  keys: readonly string[],
  isSecret: SecretTest,
  redact: (text: string) => string,
): unknown {
  if (Array.isArray(value)) return value.map((item, index) => maskValue(item, [...keys, String(index)], isSecret, redact))
  if (isTree(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, maskValue(item, [...keys, key], isSecret, redact)]),
    )
  }
  if (value === undefined || value === null) return value
  if (isSecret(keys)) return MASK
  return typeof value === 'string' ? redact(value) : value
}

/** Makes a function that takes the secrets of a tree, and what looks like one, out of texts: schemas quote what they got, and move it. */
export function createRedaction(tree: unknown, isSecret: SecretTest, masking: Masking): (text: string) => string {
  let secrets: readonly string[] | undefined
  return (text) => {
    secrets ??= [...new Set(secretTexts(tree, [], isSecret))].sort((a, b) => b.length - a.length)
    return masking.text(secrets.reduce((redacted, secret) => redacted.replaceAll(secret, MASK), text))
  }
}

function secretTexts(value: unknown, keys: readonly string[], isSecret: SecretTest): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => secretTexts(item, [...keys, String(index)], isSecret))
  if (isTree(value)) return Object.entries(value).flatMap(([key, item]) => secretTexts(item, [...keys, key], isSecret))
  if (value === null || value === undefined || typeof value === 'boolean') return []
  const text = String(value)
  return text.length >= shortestSecret && isSecret(keys) ? [text] : []
}

import { createMasking, MASK, type Masking, type MaskingOptions } from '@sd/core'
import { isTree } from './config-tree.ts'

/** Whether the value at a path is secret. */
export type SecretTest = (keys: readonly string[]) => boolean

/** Minimum length of a secret that is searched for in other texts. Shorter ones would match parts of words. */
const shortestSecret = 3

/** Creates the masking rule. @param secrets paths, or all options of the rule @throws SdError `SD_INVALID` that names the option */
export function readMasking(secrets: readonly (string | RegExp)[] | MaskingOptions): Masking {
  return createMasking(
    Array.isArray(secrets) ? { paths: secrets as readonly (string | RegExp)[] } : (secrets as MaskingOptions),
    'secrets',
  )
}

/** Masks secrets in a value: by path, and inside the remaining texts. */
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

/** Creates a function that masks the secrets of a tree, and texts that look like secrets: schemas quote and move their input. */
export function createRedaction(tree: unknown, isSecret: SecretTest, masking: Masking): (text: string) => string {
  let secrets: readonly string[] | undefined
  return (text) => {
    secrets ??= [...new Set(secretTexts(tree, [], isSecret))].sort((a, b) => b.length - a.length)
    return masking.text(secrets.reduce((redacted, secret) => redacted.replaceAll(secret, MASK), text))
  }
}

/** The texts and numbers at secret paths, as texts. Shorter ones than three characters are left out. */
export function secretTexts(value: unknown, keys: readonly string[], isSecret: SecretTest): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => secretTexts(item, [...keys, String(index)], isSecret))
  if (isTree(value)) return Object.entries(value).flatMap(([key, item]) => secretTexts(item, [...keys, key], isSecret))
  if (value === null || value === undefined || typeof value === 'boolean') return []
  const text = String(value)
  return text.length >= shortestSecret && isSecret(keys) ? [text] : []
}

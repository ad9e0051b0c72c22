import { readConfigText } from '@sd/config'
import { type ConfigEntry, MASK, masking, SdError } from '@sd/core'
import type { ConfigValueAnswer } from '../protocol.ts'

const maxValues = 5_000
const longestText = 1_000_000
const encrypted = /^ENC\[([^:\]]{1,64}):/

/**
 * Reads the values of an entry by path: secrets are masked, encrypted values are described.
 *
 * @throws SdError `SD_MALFORMED`, `SD_TOO_LARGE`
 */
export function readValues({ key, content, format, isSecret = false }: ConfigEntry): readonly ConfigValueAnswer[] {
  if (content.length > longestText) throw new SdError('SD_TOO_LARGE', `${key} is longer than ${longestText} characters`)
  // Secrets are recognised by their paths, and encrypted values must be found before they are masked as secrets.
  const values: ConfigValueAnswer[] = []
  const open: { readonly path: readonly string[]; readonly value: unknown }[] = [
    { path: [], value: readConfigText(content, { key, format }) },
  ]
  for (let next = open.pop(); next && values.length < maxValues; next = open.pop()) {
    const { path, value } = next
    const children = typeof value === 'object' && value !== null ? Object.entries(value) : []
    for (const [name, child] of children.toReversed()) open.push({ path: [...path, name], value: child })
    if (children.length === 0) values.push({ path: path.join('.'), value: isSecret ? MASK : showValue(value, path) })
  }
  return values
}

function showValue(value: unknown, path: readonly string[]): unknown {
  return describeEncrypted(value) ?? masking.value(value, path)
}

/** Replaces an encrypted value by a description of its key; other values stay. */
export function showEncrypted(value: unknown): unknown {
  return describeEncrypted(value) ?? value
}

/** Replaces all encrypted values in a text by a description of their keys. */
export function describeEncryptedIn(text: string): string {
  return text.replace(/ENC\[([^:\]\s]{1,64}):[A-Za-z0-9_-]*\]/g, '(encrypted with key $1)')
}

function describeEncrypted(value: unknown): string | undefined {
  const [, key] = typeof value === 'string' ? (encrypted.exec(value) ?? []) : []
  return key === undefined ? undefined : `(encrypted with key ${key})`
}

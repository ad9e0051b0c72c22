import { checkContent } from '@sd/adapter-kit'
import { checkOptions, decryptValue, encryptValue, type KeyringOptions } from './encryption.ts'
import { type Envelope, findEnvelopes, formatEnvelope, isEncrypted, parseEnvelope, replaceEnvelopes } from './envelope.ts'

/** Maximum size of a text, in bytes. */
const maxTextBytes = 16_777_216

/**
 * Whether a text contains anything encrypted with a key other than the primary.
 *
 * @throws SdError `SD_MALFORMED` if an `ENC[…]` in it is damaged, `SD_INVALID` if it is not a string; errors of the keyring
 */
export async function needsReencryption(text: string, options: KeyringOptions): Promise<boolean> {
  return (await findStale(text, options)).size > 0
}

/**
 * Wraps data keys in a text again, if they are not wrapped with the primary key. Only these `ENC[…]` change; their ciphertexts
 * and the paths they are bound to stay the same, so no path is needed.
 *
 * @throws SdError as {@link needsReencryption}, and `SD_DENIED` if a key is unknown or does not match; then nothing has changed
 */
export async function reencrypt(text: string, options: KeyringOptions): Promise<string> {
  const stale = await findStale(text, options)
  const renewed = await Promise.all([...stale].map(async ([old, envelope]) => [old, await rewrap(envelope, options)] as const))
  const replacements = new Map(renewed)
  return replaceEnvelopes(text, (old) => replacements.get(old) ?? old)
}

/** Options of {@link upgradeFormat}. */
export interface UpgradeOptions extends KeyringOptions {
  /** Key of the entry to bind the values to. */
  readonly key: string
  /** The parsed text, as returned by `readConfigText` of `@sd/config`, which provides the paths of the values. */
  readonly tree: unknown
}

/**
 * Encrypts the values of format 1 in a text again, in format 2 and with the primary key. Nothing else changes.
 *
 * @throws SdError as `decryptValue` if a value can't be read at its path; then nothing has changed
 */
export async function upgradeFormat(text: string, options: UpgradeOptions): Promise<string> {
  const { keys, key, tree, signal } = checkOptions(options, ['key', 'tree', 'signal'])
  const replacements = new Map<string, string>()
  for (const { path, value } of valuesOf(tree, [])) {
    const ciphertext = value.trim()
    if (!isEncrypted(ciphertext) || parseEnvelope(path, ciphertext).version === 2) continue
    const plaintext = await decryptValue(ciphertext, { keys, path, signal })
    replacements.set(ciphertext, await encryptValue(plaintext, { keys, path, key, signal }))
  }
  return replaceEnvelopes(text, (old) => replacements.get(old) ?? old)
}

function valuesOf(value: unknown, keys: readonly string[]): readonly { readonly path: string; readonly value: string }[] {
  if (typeof value === 'string') return [{ path: keys.join('.'), value }]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, item]) => valuesOf(item, [...keys, key]))
}

/** Envelopes to wrap again, by their text. */
async function findStale(text: string, options: KeyringOptions): Promise<ReadonlyMap<string, Envelope>> {
  const { keys, signal } = checkOptions(options, ['signal'])
  checkContent('text', text, maxTextBytes)
  const primary = await keys.getPrimary({ signal })
  const envelopes = findEnvelopes(text).map(
    (found, index) => [found, parseEnvelope(`The ENC[…] number ${index + 1} of the text`, found)] as const,
  )
  return new Map(envelopes.filter(([, { keyId }]) => keyId !== primary))
}

async function rewrap({ version, sealed, ...old }: Envelope, { keys, signal }: KeyringOptions): Promise<string> {
  const dataKey = await keys.unwrap(old, { signal })
  try {
    return formatEnvelope({ version, ...(await keys.wrap(dataKey, { signal })), sealed })
  } finally {
    dataKey.fill(0)
  }
}

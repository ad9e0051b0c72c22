import { checkContent } from '@sd/adapter-kit'
import { checkOptions, decryptValue, encryptValue, type KeyringOptions } from './encryption.ts'
import { type Envelope, findEnvelopes, formatEnvelope, isEncrypted, parseEnvelope, replaceEnvelopes } from './envelope.ts'

/** Longest text that is read, in bytes. */
const maxTextBytes = 16_777_216

/**
 * Whether anything in a text is encrypted with another key than the primary.
 *
 * @throws SdError `SD_MALFORMED` if an `ENC[…]` in it is damaged, `SD_INVALID` if it is no text; what the keyring fails with
 */
export async function needsReencryption(text: string, options: KeyringOptions): Promise<boolean> {
  return (await findStale(text, options)).size > 0
}

/**
 * Wraps the data keys in a text anew with the primary key, where they are not. Nothing in it changes but these `ENC[…]`; what they encrypt, and the
 * path that they are bound to, stays as it is, so no path is needed.
 *
 * @throws SdError as {@link needsReencryption}, and `SD_DENIED` if a key is unknown or does not fit; then nothing was done
 */
export async function reencrypt(text: string, options: KeyringOptions): Promise<string> {
  const stale = await findStale(text, options)
  const renewed = await Promise.all([...stale].map(async ([old, envelope]) => [old, await rewrap(envelope, options)] as const))
  const replacements = new Map(renewed)
  return replaceEnvelopes(text, (old) => replacements.get(old) ?? old)
}

/** Options of {@link upgradeFormat}. */
export interface UpgradeOptions extends KeyringOptions {
  /** Key of the entry, to which values are bound from now on. */
  readonly key: string
  /** What the text says, as `readConfigText` of `@sd/config` reads it: it tells the paths of the values. */
  readonly tree: unknown
}

/**
 * Encrypts the values of format 1 in a text again, in format 2 and with the primary key. Nothing else in it changes.
 *
 * @throws SdError as `decryptValue` if one of them can't be read at its path; then nothing was done
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

/** What is to be wrapped anew, by its text. */
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

import { checkContent } from '@sd/core'
import { checkOptions, type KeyringOptions } from './encryption.ts'
import { type Envelope, findEnvelopes, formatEnvelope, parseEnvelope, replaceEnvelopes } from './envelope.ts'

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

async function rewrap({ sealed, ...old }: Envelope, { keys, signal }: KeyringOptions): Promise<string> {
  const dataKey = await keys.unwrap(old, { signal })
  try {
    return formatEnvelope({ ...(await keys.wrap(dataKey, { signal })), sealed })
  } finally {
    dataKey.fill(0)
  }
}

import { type KeyObject, randomBytes } from 'node:crypto'
import { checkKnownKeys, checkObject, invalidError, type OperationOptions, SdError } from '@sd/core'
import { isKeyId } from './envelope.ts'
import { keyLength, nonceLength, seal, unseal } from './gcm.ts'
import { checkKeyId, type Keys, readKey } from './key-lines.ts'

/** A wrapped data key, which is stored with the ciphertext. */
export interface WrappedKey {
  /** Id of the key that wrapped it. */
  readonly keyId: string
  /** The wrapped data key, in the format of the keyring. */
  readonly wrapped: Uint8Array
}

/** Keys that wrap data keys. One, the primary, wraps new data keys; the others keep old ciphertexts readable during a rotation. */
export interface Keyring {
  /** Id of the primary. @throws SdError if the keys are unavailable */
  getPrimary(options?: OperationOptions): Promise<string>
  /** Wraps a data key of 32 bytes with the primary. @throws SdError if the keys are unavailable */
  wrap(dataKey: Uint8Array, options?: OperationOptions): Promise<WrappedKey>
  /**
   * Unwraps a data key. The caller owns the returned bytes and overwrites them with zeros after use.
   *
   * @throws SdError `SD_DENIED` if the key is unknown or wrong, or the wrapped key was changed; errors of a KMS
   */
  unwrap(key: WrappedKey, options?: OperationOptions): Promise<Uint8Array>
  /** Removes the keys from memory; later calls fail with `SD_CLOSED`. Idempotent. */
  close(): void
}

/** Options of {@link createKeyring}. */
export interface MemoryKeyringOptions {
  /** Keys by id: 32 bytes, or their base64url. */
  readonly keys: Readonly<Record<string, Uint8Array | string>>
  /** Id of the key for encryption. */
  readonly primary: string
}

/** Creates a keyring from keys in memory. @throws SdError `SD_INVALID` that names the option, never a key */
export function createKeyring(options: MemoryKeyringOptions): Keyring {
  checkKnownKeys('', options, ['keys', 'primary'])
  const primary = checkKeyId('primary', options.primary)
  const entries = Object.entries(checkObject('keys', options.keys)).map(([keyId, value]) => {
    if (!isKeyId(keyId)) throw invalidError('keys', keyId, 'ids of 1 to 64 letters, digits and . _ / -')
    const key = readKey(value)
    if (!key) throw invalidError(`keys.${keyId}`, `a ${typeof value}`, '32 bytes, or their base64url')
    return [keyId, key] as const
  })
  // The first one is the primary.
  const keys = new Map(entries.toSorted(([a], [b]) => Number(b === primary) - Number(a === primary)))
  if (!keys.has(primary)) throw invalidError('primary', primary, `one of keys: ${[...keys.keys()].join(', ')}`)
  return createLocalKeyring(() => Promise.resolve(keys))
}

/**
 * Creates a keyring from local keys. Data keys are wrapped with AES-256-GCM, with the key id as associated data: nonce (12),
 * ciphertext (32), tag (16).
 *
 * @param getKeys returns all keys; receives the requested id, so that it can look for a new key
 */
export function createLocalKeyring(getKeys: (wanted?: string) => Promise<Keys>): Keyring {
  let isClosed = false

  async function openKeys(wanted?: string): Promise<Keys> {
    if (isClosed) throw new SdError('SD_CLOSED', 'The keyring is closed')
    return getKeys(wanted)
  }

  return {
    async getPrimary() {
      return primaryOf(await openKeys())[0]
    },
    async wrap(dataKey) {
      const [keyId, key] = primaryOf(await openKeys())
      return { keyId, wrapped: seal(key, randomBytes(nonceLength), wrapContext(keyId), dataKey) }
    },
    async unwrap({ keyId, wrapped }) {
      const key = (await openKeys(keyId)).get(keyId)
      if (!key) throw unknownKey(keyId)
      const dataKey = unseal(key, wrapContext(keyId), wrapped)
      if (dataKey?.length === keyLength) return dataKey
      throw new SdError(
        'SD_DENIED',
        `The key ${keyId} does not match: it differs from the key used for encryption, or the ciphertext was changed`,
      )
    },
    close() {
      isClosed = true
    },
  }
}

/** Error of an unknown key. */
export function unknownKey(keyId: string): SdError {
  return new SdError('SD_DENIED', `The keyring has no key ${keyId}`)
}

function primaryOf(keys: Keys): [string, KeyObject] {
  const [first] = keys
  if (!first) throw new SdError('SD_DENIED', 'The keyring has no keys')
  return first
}

function wrapContext(keyId: string): string {
  return `sd-config-crypto/1/key/${keyId}`
}

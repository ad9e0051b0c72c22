import { type KeyObject, randomBytes } from 'node:crypto'
import { checkKnownKeys, checkObject, invalidError, type OperationOptions, SdError } from '@sd/core'
import { isKeyId } from './envelope.ts'
import { keyLength, nonceLength, seal, unseal } from './gcm.ts'
import { checkKeyId, type Keys, readKey } from './key-lines.ts'

/** A data key as it is kept beside what it encrypts. */
export interface WrappedKey {
  /** Id of the key that wrapped it. */
  readonly keyId: string
  /** The wrapped data key; its form is the keyring's. */
  readonly wrapped: Uint8Array
}

/** Keys that wrap data keys. Several are known, so that old ciphertexts stay readable while keys are rotated; one, the primary, wraps new ones. */
export interface Keyring {
  /** Id of the primary. @throws SdError if the keys can't be had */
  getPrimary(options?: OperationOptions): Promise<string>
  /** Wraps a data key of 32 bytes with the primary. @throws SdError if the keys can't be had */
  wrap(dataKey: Uint8Array, options?: OperationOptions): Promise<WrappedKey>
  /**
   * Unwraps a data key. The bytes are the caller's own, who fills them with zeros after use.
   *
   * @throws SdError `SD_DENIED` if the key is unknown, another one, or the wrapped key was changed; what a KMS fails with
   */
  unwrap(key: WrappedKey, options?: OperationOptions): Promise<Uint8Array>
  /** Forgets the keys; later calls fail with `SD_CLOSED`. Idempotent. */
  close(): void
}

/** Options of {@link createKeyring}. */
export interface MemoryKeyringOptions {
  /** Keys by id: 32 bytes, or their base64url. */
  readonly keys: Readonly<Record<string, Uint8Array | string>>
  /** Id of the key that encrypts. */
  readonly primary: string
}

/** A keyring of keys that the program has. @throws SdError `SD_INVALID` that names the option, never a key */
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
 * A keyring of keys that are at hand. Data keys are wrapped with AES-256-GCM, the key's id being associated data: nonce (12), ciphertext (32),
 * tag (16).
 *
 * @param getKeys all keys; told which one is wanted, so that a source of keys can look for it once more
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
        `The key ${keyId} does not fit: it is another key than the one that encrypted, or the ciphertext was changed`,
      )
    },
    close() {
      isClosed = true
    },
  }
}

/** The error of a key that nobody has. */
export function unknownKey(keyId: string): SdError {
  return new SdError('SD_DENIED', `No key is named ${keyId}`)
}

function primaryOf(keys: Keys): [string, KeyObject] {
  const [first] = keys
  if (!first) throw new SdError('SD_DENIED', 'There is no key')
  return first
}

function wrapContext(keyId: string): string {
  return `sd-config-crypto/1/key/${keyId}`
}

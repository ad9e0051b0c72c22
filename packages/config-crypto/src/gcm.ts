import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'

/** Length of all keys, in bytes: AES-256. */
export const keyLength = 32
/** Length of a nonce, in bytes. */
export const nonceLength = 12
/** Length of an authentication tag, in bytes. */
export const tagLength = 16

const algorithm = 'aes-256-gcm'

/** Encrypts with AES-256-GCM to nonce, ciphertext and tag. A nonce must never be used twice with a key. */
export function seal(key: KeyObject | Uint8Array, nonce: Uint8Array, associatedData: string, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagLength })
  cipher.setAAD(Buffer.from(associatedData))
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** Decrypts the result of {@link seal}. @returns `undefined` if the tag is wrong, without any plaintext */
export function unseal(key: KeyObject | Uint8Array, associatedData: string, sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < nonceLength + tagLength) return undefined
  const end = sealed.length - tagLength
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceLength), { authTagLength: tagLength })
  decipher.setAAD(Buffer.from(associatedData))
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = decipher.update(sealed.subarray(nonceLength, end))
  try {
    decipher.final()
    return plaintext
  } catch {
    plaintext.fill(0)
    return undefined
  }
}

import { createPublicKey } from 'node:crypto'
import { invalidError, SdError } from '@sd/core'
import type { JWK } from 'jose'

/** Most keys of a set. */
const maxKeys = 100
/** Fields of private and of symmetric keys (RFC 7518, 6). */
const secretFields = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const keyTypes: readonly unknown[] = ['RSA', 'EC', 'OKP']

/** Keys of the operator. @throws SdError `SD_INVALID` that names the key and does not quote it */
export function readPublicKeys(field: string, keys: readonly unknown[]): JWK[] {
  if (keys.length > maxKeys) throw invalidError(field, `${keys.length} keys`, `at most ${maxKeys}`)
  return keys.map((key, index) => {
    if (isPublicKey(key)) return key
    throw invalidError(`${field}[${index}]`, 'another value', 'a public key of type RSA, EC or OKP as a JSON Web Key')
  })
}

/** The keys of a response of an issuer. Those that are not public ones are left out: a set may have keys for other purposes. */
export function readKeySet(what: string, text: string): JWK[] {
  let set: unknown
  try {
    set = JSON.parse(text)
  } catch (error) {
    throw new SdError('SD_MALFORMED', `${what} is not valid JSON`, { cause: error })
  }
  const keys: unknown = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined
  if (!Array.isArray(keys)) throw new SdError('SD_MALFORMED', `${what} is not a JSON Web Key Set`)
  if (keys.length > maxKeys) throw new SdError('SD_TOO_LARGE', `${what} has more than ${maxKeys} keys`)
  const usable = keys.filter(isPublicKey)
  if (usable.length === 0) throw new SdError('SD_MALFORMED', `${what} has no public key`)
  return usable
}

/** A file with a key set, or with public keys and certificates in PEM. */
export function readKeyFile(what: string, text: string): JWK[] {
  const blocks = text.match(/-----BEGIN [A-Z ]+-----[\s\S]+?-----END [A-Z ]+-----/g)
  if (!blocks) return readKeySet(what, text)
  if (blocks.length > maxKeys) throw new SdError('SD_TOO_LARGE', `${what} has more than ${maxKeys} keys`)
  return blocks.map((block) => {
    if (block.includes('PRIVATE KEY')) throw new SdError('SD_MALFORMED', `${what} has a private key, want public ones`)
    try {
      return createPublicKey(block).export({ format: 'jwk' }) as JWK
    } catch (error) {
      throw new SdError('SD_MALFORMED', `${what} has a key or certificate that is not valid`, { cause: error })
    }
  })
}

function isPublicKey(key: unknown): key is JWK {
  if (typeof key !== 'object' || key === null || !('kty' in key) || !keyTypes.includes(key.kty)) return false
  return secretFields.every((field) => !Object.hasOwn(key, field))
}

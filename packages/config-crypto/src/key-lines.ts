import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { invalidError, SdError } from '@sd/core'
import { isKeyId } from './envelope.ts'
import { keyLength } from './gcm.ts'

/** Keys by id; the first one is the primary. */
export type Keys = ReadonlyMap<string, KeyObject>

const encodedKey = /^[A-Za-z0-9_-]{43}$/

/** Validates a key id. @throws SdError `SD_INVALID` that names the field */
export function checkKeyId(field: string, value: unknown): string {
  if (isKeyId(value)) return value
  throw invalidError(field, value, '1 to 64 letters, digits and . _ / -, such as 2026-11')
}

/**
 * Generates a random key with its id, in the format of environment and file: `key-id:base64url`.
 *
 * @throws SdError `SD_INVALID` if the id is not valid
 */
export function generateKey(keyId: string): string {
  checkKeyId('keyId', keyId)
  const bytes = randomBytes(keyLength)
  const text = `${keyId}:${bytes.toString('base64url')}`
  bytes.fill(0)
  return text
}

/** Reads a key: 32 bytes, or 43 characters of base64url. `undefined` if it is neither. */
export function readKey(value: unknown): KeyObject | undefined {
  if (value instanceof Uint8Array) return value.length === keyLength ? createSecretKey(value) : undefined
  if (typeof value !== 'string' || !encodedKey.test(value)) return undefined
  const bytes = Buffer.from(value, 'base64url')
  const isCanonical = bytes.toString('base64url') === value
  const key = isCanonical ? createSecretKey(bytes) : undefined
  bytes.fill(0)
  return key
}

/**
 * Parses `key-id:base64url` lines. Commas separate entries like line ends, and lines that start with `#` are comments.
 *
 * @throws SdError `SD_MALFORMED` naming the line, never the key
 */
export function parseKeyLines(what: string, text: string): Keys {
  const keys = new Map<string, KeyObject>()
  for (const [index, line] of text.split(/[\n,]/).entries()) {
    const entry = line.trim()
    if (entry === '' || entry.startsWith('#')) continue
    const colon = entry.indexOf(':')
    const keyId = entry.slice(0, Math.max(colon, 0))
    const key = readKey(entry.slice(colon + 1))
    const where = `${what}, entry ${index + 1}`
    if (!isKeyId(keyId) || !key)
      throw new SdError('SD_MALFORMED', `${where}: expected key-id:base64url of 32 bytes, as generateKey returns it`)
    if (keys.has(keyId)) throw new SdError('SD_MALFORMED', `${where}: duplicate key id ${keyId}`)
    keys.set(keyId, key)
  }
  if (keys.size === 0) throw new SdError('SD_MALFORMED', `${what} has no key`)
  return keys
}

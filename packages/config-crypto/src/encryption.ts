import { randomBytes } from 'node:crypto'
import { checkConfigKey, checkContent } from '@sd/adapter-kit'
import { checkBoolean, checkKnownKeys, checkObject, checkText, type OperationOptions, SdError } from '@sd/core'
import { type EnvelopeVersion, formatEnvelope, malformed, parseEnvelope } from './envelope.ts'
import { keyLength, nonceLength, seal, unseal } from './gcm.ts'
import type { Keyring } from './keyring.ts'

/** Common options of all functions with keys. */
export interface KeyringOptions extends OperationOptions {
  /** The keys. */
  readonly keys: Keyring
}

/** Options of {@link encryptValue} and {@link decryptValue}. */
export interface ValueOptions extends KeyringOptions {
  /** Path of the value in its entry, such as `db.password`. The ciphertext can be read only at this path. */
  readonly path: string
  /**
   * Key of the entry, such as `orders.yaml`. The ciphertext can be read only in this entry (format 2), so that writers of one
   * entry can't reuse ciphertexts of another.
   *
   * @default any entry (format 1)
   */
  readonly key?: string
}

/** Options of {@link encryptDocument} and {@link decryptDocument}. */
export interface DocumentOptions extends KeyringOptions {
  /** Key of the entry in its source, such as `orders.yaml`. The ciphertext can be read only as this entry. */
  readonly key: string
}

/** Place of a ciphertext. */
export interface DecryptContext extends OperationOptions {
  /** Path of the value. Absent or empty for an entry that is encrypted as a whole. */
  readonly path?: string | undefined
  /** Name of the source. Used only in messages, so that a document can be moved to another source. */
  readonly source?: string | undefined
  /** Key of the entry. */
  readonly key?: string | undefined
  /** Whether the value must be encrypted: it must then be bound to its entry (format 2). @default false */
  readonly isRequired?: boolean | undefined
}

/** Options of {@link createDecrypter}. */
export interface DecrypterOptions {
  /** The keys. */
  readonly keys: Keyring
  /** Accepts values of format 1, which are bound only to their path, where a value must be encrypted. Set it until they are upgraded. @default false */
  readonly allowFormat1?: boolean
}

/** Function for the option `decrypt` of `@sd/config`. */
export type Decrypter = (ciphertext: string, context: DecryptContext) => Promise<string>

/** Maximum size of a text, in bytes. */
const maxPlaintextBytes = 1_048_576
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Encrypts one value. @returns `ENC[key-id:…]` @throws SdError `SD_INVALID` that names the argument; errors of the keyring */
export async function encryptValue(plaintext: string, options: ValueOptions): Promise<string> {
  checkOptions(options, ['path', 'key', 'signal'])
  const version = options.key === undefined ? 1 : 2
  return encrypt(plaintext, version, bindingOf(version, options), options)
}

/** Encrypts the whole content of an entry. @returns `ENC[key-id:…]` @throws SdError as {@link encryptValue} */
export async function encryptDocument(plaintext: string, options: DocumentOptions): Promise<string> {
  checkOptions(options, ['key', 'signal'])
  return encrypt(plaintext, 1, bindingOf(1, options), options)
}

/**
 * Decrypts one value.
 *
 * @throws SdError `SD_MALFORMED` if it is not a complete `ENC[…]`, `SD_DENIED` if the key is unknown or wrong, or the ciphertext
 * was changed or moved from another path; errors of a KMS. Errors never contain plaintext or keys
 */
export async function decryptValue(ciphertext: string, options: ValueOptions): Promise<string> {
  checkOptions(options, ['path', 'key', 'signal'])
  return decrypt(ciphertext, options.path, options, options)
}

/** Decrypts the whole content of an entry. White space around it is ignored. @throws SdError as {@link decryptValue} */
export async function decryptDocument(ciphertext: string, options: DocumentOptions): Promise<string> {
  checkOptions(options, ['key', 'signal'])
  return decrypt(ciphertext.trim(), options.key, options, options)
}

/**
 * Creates the function for the option `decrypt` of `@sd/config`. It does not close the keys.
 *
 * @throws SdError the function throws as {@link decryptValue}
 */
export function createDecrypter(options: DecrypterOptions): Decrypter {
  const { keys, allowFormat1 = false } = checkOptions(options, ['allowFormat1'])
  checkBoolean('allowFormat1', allowFormat1)
  return async (ciphertext, context) => {
    const { path, source, key, signal, isRequired = false } = context
    const where = [path || key, key && path ? `in ${key}` : '', source ? `of ${source}` : ''].filter(Boolean).join(' ')
    const oldest = path && isRequired && !allowFormat1 ? 2 : 1
    return decrypt(ciphertext.trim(), where, context, { keys, signal }, oldest)
  }
}

/** Validates options with keys. @throws SdError `SD_INVALID` that names the option */
export function checkOptions<T extends { readonly keys: Keyring }>(options: T, known: readonly string[]): T {
  checkKnownKeys('', checkObject('options', options), ['keys', ...known])
  checkObject('keys', options.keys)
  return options
}

async function encrypt(
  plaintext: string,
  version: EnvelopeVersion,
  binding: string,
  { keys, signal }: KeyringOptions,
): Promise<string> {
  checkContent('plaintext', plaintext, maxPlaintextBytes)
  const dataKey = randomBytes(keyLength)
  const bytes = Buffer.from(plaintext)
  try {
    const wrapped = await keys.wrap(dataKey, { signal })
    return formatEnvelope({ version, ...wrapped, sealed: seal(dataKey, randomBytes(nonceLength), binding, bytes) })
  } finally {
    dataKey.fill(0)
    bytes.fill(0)
  }
}

async function decrypt(
  ciphertext: string,
  what: string,
  place: Place,
  { keys, signal }: KeyringOptions,
  oldest: EnvelopeVersion = 1,
): Promise<string> {
  const { version, sealed, ...wrapped } = parseEnvelope(what, ciphertext)
  if (version < oldest)
    throw new SdError(
      'SD_DENIED',
      `${what} has format ${version}, which is not bound to an entry: encrypt it again with the key of its entry`,
    )
  if (version === 2 && place.path && place.key === undefined)
    throw new SdError('SD_DENIED', `${what} can't be decrypted: it is bound to an entry, but no entry key was given`)
  const binding = bindingOf(version, place)
  const dataKey = await keys.unwrap(wrapped, { signal }).catch((error: unknown) => {
    // Adds the place; keeps code and retryability.
    if (!(error instanceof SdError)) throw error
    throw new SdError(error.code, `${what} can't be decrypted: ${error.message}`, { retryable: error.retryable })
  })
  const plaintext = unseal(dataKey, binding, sealed)
  dataKey.fill(0)
  if (!plaintext)
    throw new SdError('SD_DENIED', `${what} can't be decrypted: the ciphertext was changed, or encrypted for another place`)
  try {
    return decoder.decode(plaintext)
  } catch {
    throw malformed(what, 'the decrypted bytes are not valid UTF-8')
  } finally {
    plaintext.fill(0)
  }
}

interface Place {
  readonly path?: string | undefined
  readonly key?: string | undefined
}

/** Associated data, which binds a ciphertext to its place. */
function bindingOf(version: EnvelopeVersion, { path, key }: Place): string {
  const bound = `sd-config-crypto/${version}`
  if (!path) return `${bound}/document/${checkConfigKey('key', key)}`
  if (version === 1) return `${bound}/value/${checkText('path', path, 1_024)}`
  // Keys and paths can't contain NUL, so every pair has its own associated data.
  return `${bound}/value/${checkConfigKey('key', key)}\0${checkText('path', path, 1_024)}`
}

import { randomBytes } from 'node:crypto'
import { checkConfigKey, checkContent } from '@sd/adapter-kit'
import { checkBoolean, checkKnownKeys, checkObject, checkText, type OperationOptions, SdError } from '@sd/core'
import { type EnvelopeVersion, formatEnvelope, malformed, parseEnvelope } from './envelope.ts'
import { keyLength, nonceLength, seal, unseal } from './gcm.ts'
import type { Keyring } from './keyring.ts'

/** Options that all functions with keys have in common. */
export interface KeyringOptions extends OperationOptions {
  /** The keys. */
  readonly keys: Keyring
}

/** Options of {@link encryptValue} and {@link decryptValue}. */
export interface ValueOptions extends KeyringOptions {
  /** Path of the value in its entry, such as `db.password`. The ciphertext can be read at this path only. */
  readonly path: string
  /**
   * Key of its entry, such as `orders.yaml`. The ciphertext can be read in this entry only (format 2), so that who may write one entry can't put
   * there what was encrypted for another.
   *
   * @default any entry (format 1)
   */
  readonly key?: string
}

/** Options of {@link encryptDocument} and {@link decryptDocument}. */
export interface DocumentOptions extends KeyringOptions {
  /** Key of the entry in its source, such as `orders.yaml`. The ciphertext can be read as this entry only. */
  readonly key: string
}

/** Where a ciphertext was found. */
export interface DecryptContext extends OperationOptions {
  /** Path of the value; absent or empty for an entry that is encrypted as a whole. */
  readonly path?: string | undefined
  /** Name of the source; for messages only, so that a ciphertext can move with its document to another source. */
  readonly source?: string | undefined
  /** Key of the entry. */
  readonly key?: string | undefined
  /** Whether the path is among those that must be encrypted: then a value must be bound to its entry (format 2). @default false */
  readonly isRequired?: boolean | undefined
}

/** Options of {@link createDecrypter}. */
export interface DecrypterOptions {
  /** The keys. */
  readonly keys: Keyring
  /** Whether values of format 1, which are bound to their path only, are read where a value must be encrypted: until they are upgraded. @default false */
  readonly allowFormat1?: boolean
}

/** What `@sd/config` takes as `decrypt`. */
export type Decrypter = (ciphertext: string, context: DecryptContext) => Promise<string>

/** Longest text that is encrypted, in bytes. */
const maxPlaintextBytes = 1_048_576
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Encrypts one value. @returns `ENC[key-id:…]` @throws SdError `SD_INVALID` that names the argument; what the keyring fails with */
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
 * @throws SdError `SD_MALFORMED` if it is no whole `ENC[…]`, `SD_DENIED` if the key is unknown or another one, or if it was changed or moved
 * here from another path; what a KMS fails with. Neither plaintext nor keys are in any of them
 */
export async function decryptValue(ciphertext: string, options: ValueOptions): Promise<string> {
  checkOptions(options, ['path', 'key', 'signal'])
  return decrypt(ciphertext, options.path, options, options)
}

/** Decrypts the whole content of an entry. White space around it doesn't count. @throws SdError as {@link decryptValue} */
export async function decryptDocument(ciphertext: string, options: DocumentOptions): Promise<string> {
  checkOptions(options, ['key', 'signal'])
  return decrypt(ciphertext.trim(), options.key, options, options)
}

/**
 * Makes the function that `@sd/config` takes as `decrypt`. The keys stay the caller's to close.
 *
 * @throws SdError its function: as {@link decryptValue}
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

/** Checks options that have keys. @throws SdError `SD_INVALID` that names the option */
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
    throw new SdError('SD_DENIED', `${what} is of format ${version}, which any entry can have: encrypt it for its entry`)
  if (version === 2 && place.path && place.key === undefined)
    throw new SdError('SD_DENIED', `${what} can't be decrypted: it is bound to an entry, and no key of one was given`)
  const binding = bindingOf(version, place)
  const dataKey = await keys.unwrap(wrapped, { signal }).catch((error: unknown) => {
    // Says where; the code and whether it is worth trying again stay.
    if (!(error instanceof SdError)) throw error
    throw new SdError(error.code, `${what} can't be decrypted: ${error.message}`, { retryable: error.retryable })
  })
  const plaintext = unseal(dataKey, binding, sealed)
  dataKey.fill(0)
  if (!plaintext) throw new SdError('SD_DENIED', `${what} can't be decrypted: it was changed, or encrypted for another place`)
  try {
    return decoder.decode(plaintext)
  } catch {
    throw malformed(what, 'what was encrypted is no UTF-8 text')
  } finally {
    plaintext.fill(0)
  }
}

interface Place {
  readonly path?: string | undefined
  readonly key?: string | undefined
}

/** Associated data: what a ciphertext is bound to. */
function bindingOf(version: EnvelopeVersion, { path, key }: Place): string {
  const bound = `sd-config-crypto/${version}`
  if (!path) return `${bound}/document/${checkConfigKey('key', key)}`
  if (version === 1) return `${bound}/value/${checkText('path', path, 1_024)}`
  // No key and no path has a NUL, so that no other two make the same.
  return `${bound}/value/${checkConfigKey('key', key)}\0${checkText('path', path, 1_024)}`
}

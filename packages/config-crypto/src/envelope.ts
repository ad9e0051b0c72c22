import { SdError } from '@sd/core'
import { nonceLength, tagLength } from './gcm.ts'

/** Supported formats. Both must stay readable. */
export type EnvelopeVersion = 1 | 2

/** The decoded content of `ENC[…]`. */
export interface Envelope {
  /** Format. 1 binds a value to its path and a document to its key; 2 binds a value to its path and the key of its entry. */
  readonly version: EnvelopeVersion
  /** Id of the key that wraps the data key. */
  readonly keyId: string
  /** The wrapped data key, in the format of the keyring. */
  readonly wrapped: Uint8Array
  /** Nonce, ciphertext and tag. */
  readonly sealed: Uint8Array
}

const headerLength = 3
/** Maximum size of a wrapped data key, in bytes. A KMS returns some hundred bytes for 32. */
export const maxWrappedLength = 4_096

const keyIdPattern = '[A-Za-z0-9][A-Za-z0-9._/-]{0,63}'
const keyId = new RegExp(`^${keyIdPattern}$`)
const envelopePattern = `ENC\\[(?<keyId>${keyIdPattern}):(?<body>[A-Za-z0-9_-]+)\\]`
const whole = new RegExp(`^${envelopePattern}$`)

/** Whether a text starts with `ENC[` and ends with `]`. It can still be malformed. */
export function isEncrypted(text: string): boolean {
  return text.startsWith('ENC[') && text.endsWith(']')
}

/** Whether `value` is a valid key id: 1 to 64 letters, digits and `. _ / -`, starting with a letter or digit. */
export function isKeyId(value: unknown): value is string {
  return typeof value === 'string' && keyId.test(value)
}

/** All well-formed `ENC[…]` in a text. */
export function findEnvelopes(text: string): readonly string[] {
  return Array.from(text.matchAll(new RegExp(envelopePattern, 'g')), ([found]) => found)
}

/** Replaces all well-formed `ENC[…]` in a text; the rest is unchanged, byte for byte. */
export function replaceEnvelopes(text: string, replace: (envelope: string) => string): string {
  return text.replace(new RegExp(envelopePattern, 'g'), replace)
}

/** Writes `ENC[key-id:…]`. The bytes: version (1), length of the wrapped key (2, big endian), wrapped key, nonce (12), ciphertext, tag (16). */
export function formatEnvelope({ version, keyId, wrapped, sealed }: Envelope): string {
  const header = Buffer.alloc(headerLength)
  header.writeUInt8(version)
  header.writeUInt16BE(wrapped.length, 1)
  return `ENC[${keyId}:${Buffer.concat([header, wrapped, sealed]).toString('base64url')}]`
}

/** Parses `ENC[key-id:…]`. @throws SdError `SD_MALFORMED` if it is not exactly in the format of {@link formatEnvelope} */
export function parseEnvelope(what: string, text: string): Envelope {
  const { keyId, body } = whole.exec(text)?.groups ?? {}
  if (keyId === undefined || body === undefined) throw malformed(what, 'expected ENC[key-id:base64url]')
  const bytes = Buffer.from(body, 'base64url')
  if (bytes.toString('base64url') !== body) throw malformed(what, 'its base64url is truncated or changed')
  const [version] = bytes
  if (version !== 1 && version !== 2) throw malformed(what, `unknown version ${version}, expected 1 or 2`)
  if (bytes.length < headerLength) throw malformed(what, 'it is truncated')
  const end = headerLength + bytes.readUInt16BE(1)
  if (bytes.length < end + nonceLength + tagLength) throw malformed(what, 'it is truncated')
  return { version, keyId, wrapped: bytes.subarray(headerLength, end), sealed: bytes.subarray(end) }
}

/** Error of a ciphertext that can't be read. The message does not quote it. */
export function malformed(what: string, why: string): SdError {
  return new SdError('SD_MALFORMED', `${what} can't be read: ${why}`)
}

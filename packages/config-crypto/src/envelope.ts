import { SdError } from '@sd/core'
import { nonceLength, tagLength } from './gcm.ts'

/** Formats that are read; both stay readable for ever. */
export type EnvelopeVersion = 1 | 2

/** What stands between the brackets of `ENC[…]`, taken apart. */
export interface Envelope {
  /** What the ciphertext is bound to. 1: a value to its path, a document to its key. 2: a value to its path and the key of its entry. */
  readonly version: EnvelopeVersion
  /** Id of the key that the data key is wrapped with. */
  readonly keyId: string
  /** The wrapped data key; its form is the keyring's. */
  readonly wrapped: Uint8Array
  /** Nonce, ciphertext and tag. */
  readonly sealed: Uint8Array
}

const headerLength = 3
/** Longest wrapped data key, in bytes: what a KMS makes of 32 bytes is some hundreds. */
export const maxWrappedLength = 4_096

const keyIdPattern = '[A-Za-z0-9][A-Za-z0-9._/-]{0,63}'
const keyId = new RegExp(`^${keyIdPattern}$`)
const envelopePattern = `ENC\\[(?<keyId>${keyIdPattern}):(?<body>[A-Za-z0-9_-]+)\\]`
const whole = new RegExp(`^${envelopePattern}$`)

/** Whether a text is to be decrypted: it begins with `ENC[` and ends with `]`. It may still be malformed. */
export function isEncrypted(text: string): boolean {
  return text.startsWith('ENC[') && text.endsWith(']')
}

/** Whether `value` can name a key: 1 to 64 letters, digits and `. _ / -`, the first one a letter or digit. */
export function isKeyId(value: unknown): value is string {
  return typeof value === 'string' && keyId.test(value)
}

/** All well-formed `ENC[…]` in a text. */
export function findEnvelopes(text: string): readonly string[] {
  return Array.from(text.matchAll(new RegExp(envelopePattern, 'g')), ([found]) => found)
}

/** Replaces all well-formed `ENC[…]` in a text; the rest stays byte for byte. */
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

/** Reads `ENC[key-id:…]`. @throws SdError `SD_MALFORMED` if it isn't exactly what {@link formatEnvelope} writes */
export function parseEnvelope(what: string, text: string): Envelope {
  const { keyId, body } = whole.exec(text)?.groups ?? {}
  if (keyId === undefined || body === undefined) throw malformed(what, 'it is not of the form ENC[key-id:base64url]')
  const bytes = Buffer.from(body, 'base64url')
  if (bytes.toString('base64url') !== body) throw malformed(what, 'its base64url is cut off or changed')
  const [version] = bytes
  if (version !== 1 && version !== 2) throw malformed(what, `its version is ${version}, and only 1 and 2 are known`)
  if (bytes.length < headerLength) throw malformed(what, 'it is cut off')
  const end = headerLength + bytes.readUInt16BE(1)
  if (bytes.length < end + nonceLength + tagLength) throw malformed(what, 'it is cut off')
  return { version, keyId, wrapped: bytes.subarray(headerLength, end), sealed: bytes.subarray(end) }
}

/** The error of a ciphertext that can't be read. It shows nothing of it. */
export function malformed(what: string, why: string): SdError {
  return new SdError('SD_MALFORMED', `${what} can't be read: ${why}`)
}

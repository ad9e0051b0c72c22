import { describe, expect, test } from 'vitest'
import { createDecrypter, encryptDocument, encryptValue } from './index.ts'
import { createSampleKeyring, sampleKeys, vectors } from './testing/samples.ts'

const keys = createSampleKeyring()

describe('the format is stable', () => {
  test.each(vectors)('a vector reads as $plaintext', async ({ ciphertext, plaintext, path, key }) => {
    expect(await createDecrypter({ keys })(ciphertext, { path, key })).toBe(plaintext)
  })

  test.each(vectors)('a vector has the layout in the README', async ({ ciphertext, plaintext, path, key }) => {
    const place = path === undefined ? `document/${key}` : `value/${key === undefined ? '' : `${key}\0`}${path}`
    expect(await readWithWebCrypto(ciphertext, place, path !== undefined && key !== undefined ? 2 : 1)).toBe(plaintext)
  })

  test('new ciphertexts have the layout in the README', async () => {
    const value = await encryptValue('s3cret', { keys, path: 'a.b' })
    const document = await encryptDocument('a: 1', { keys, key: 'a.yaml' })
    expect(await readWithWebCrypto(value, 'value/a.b')).toBe('s3cret')
    expect(await readWithWebCrypto(document, 'document/a.yaml')).toBe('a: 1')
    const bound = await encryptValue('s3cret', { keys, path: 'a.b', key: 'a.yaml' })
    expect(await readWithWebCrypto(bound, 'value/a.yaml\0a.b', 2)).toBe('s3cret')
  })
})

/** Decrypts a ciphertext by the layout in the README, with another implementation of AES-GCM. */
async function readWithWebCrypto(ciphertext: string, place: string, version: number = 1): Promise<string> {
  const [keyId = '', body = ''] = ciphertext.slice('ENC['.length, -1).split(':')
  const bytes = Uint8Array.from(Buffer.from(body, 'base64url'))
  const wrappedLength = new DataView(bytes.buffer).getUint16(1)
  expect([bytes[0], wrappedLength]).toEqual([version, 60])
  const wrapped = bytes.slice(3, 63)
  const dataKey = await open(sampleKeys[keyId] as Uint8Array<ArrayBuffer>, `sd-config-crypto/1/key/${keyId}`, wrapped)
  const plaintext = await open(dataKey, `sd-config-crypto/${version}/${place}`, bytes.slice(63))
  return new TextDecoder().decode(plaintext)
}

async function open(
  key: Uint8Array<ArrayBuffer>,
  associatedData: string,
  sealed: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const imported = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
  const algorithm = { name: 'AES-GCM', iv: sealed.slice(0, 12), additionalData: new TextEncoder().encode(associatedData) }
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, imported, sealed.slice(12)))
}

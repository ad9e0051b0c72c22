import { SdError } from '@sd/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatEnvelope } from './envelope.ts'
import { seal } from './gcm.ts'
import {
  createDecrypter,
  createKeyring,
  decryptDocument,
  decryptValue,
  encryptDocument,
  encryptValue,
  isEncrypted,
} from './index.ts'
import { createSampleKeyring, vectors } from './testing/samples.ts'

const keys = createSampleKeyring()
const secret = 'correct horse battery staple'
const ciphertext = await encryptValue(secret, { keys, path: 'db.password' })

/** Outcome of a decryption, with all texts of the error. */
async function failureOf(run: Promise<unknown>): Promise<SdError> {
  const error = await run.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  if (!(error instanceof SdError)) throw new Error('want an SdError', { cause: error })
  expect(`${error.message} ${error.stack}`).not.toContain(secret)
  expect(error.cause).toBeUndefined()
  return error
}

describe('round trip', () => {
  test('any text at any path', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 2_000 })
    await fc.assert(
      fc.asyncProperty(text, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }), async (plaintext, path) => {
        const encrypted = await encryptValue(plaintext, { keys, path })
        expect(isEncrypted(encrypted)).toBe(true)
        expect(await decryptValue(encrypted, { keys, path })).toBe(plaintext)
      }),
    )
  })

  test('a whole document, with white space around it as editors add it', async () => {
    const encrypted = await encryptDocument('a: 1\n', { keys, key: 'a.yaml' })
    expect(await decryptDocument(`${encrypted}\n`, { keys, key: 'a.yaml' })).toBe('a: 1\n')
    expect(await createDecrypter({ keys })(`${encrypted}\r\n`, { key: 'a.yaml', path: '', source: 'file' })).toBe('a: 1\n')
  })

  test('the same text never has the same ciphertext', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => encryptValue(secret, { keys, path: 'a' })))
    // Key id, version and length are the same; nonces and keys follow.
    expect(new Set(all.map((text) => text.slice('ENC[test-1:AQA8'.length, 40))).size).toBe(100)
  })
})

describe('invalid input fails', () => {
  const decrypt = createDecrypter({ keys })

  test('another path, another entry, and a value read as a document', async () => {
    const document = await encryptDocument(secret, { keys, key: 'db.password' })
    for (const run of [
      decryptValue(ciphertext, { keys, path: 'db.user' }),
      decryptValue(document, { keys, path: 'db.password' }),
      decryptDocument(ciphertext, { keys, key: 'db.password' }),
      decrypt(document, { key: 'other', source: 'etcd' }),
    ]) {
      expect(await failureOf(run)).toMatchObject({ code: 'SD_DENIED', message: expect.stringContaining('another place') })
    }
  })

  test('an unknown key and another key of the same name, with the place', async () => {
    const context = { path: 'db.password', key: 'orders.yaml', source: 'etcd' }
    const unknown = await failureOf(createDecrypter({ keys: createSampleKeyring('test-2') })(ciphertext, context))
    expect(unknown.code).toBe('SD_DENIED')
    expect(unknown.message).toBe("db.password in orders.yaml of etcd can't be decrypted: The keyring has no key test-1")
    const wrong = createKeyring({ keys: { 'test-1': new Uint8Array(32) }, primary: 'test-1' })
    const error = await failureOf(createDecrypter({ keys: wrong })(ciphertext, context))
    expect(error).toMatchObject({ code: 'SD_DENIED', retryable: false, message: expect.stringContaining('does not match') })
  })

  test('every changed character', async () => {
    for (let index = 0; index < ciphertext.length; index++) {
      for (const other of ['A', 'B', '-', '!']) {
        if (ciphertext[index] === other) continue
        const changed = ciphertext.slice(0, index) + other + ciphertext.slice(index + 1)
        const { code } = await failureOf(decryptValue(changed, { keys, path: 'db.password' }))
        expect(['SD_DENIED', 'SD_MALFORMED']).toContain(code)
      }
    }
  })

  test('every truncation, with and without its bracket', async () => {
    for (let length = 0; length < ciphertext.length; length++) {
      const cut = ciphertext.slice(0, length)
      for (const text of [cut, `${cut}]`]) {
        if (text === ciphertext) continue
        const { code } = await failureOf(decryptValue(text, { keys, path: 'db.password' }))
        expect(['SD_DENIED', 'SD_MALFORMED']).toContain(code)
      }
    }
  })

  test('a later version', async () => {
    const bytes = Buffer.from(ciphertext.slice('ENC[test-1:'.length, -1), 'base64url')
    bytes[0] = 3
    const error = await failureOf(decrypt(`ENC[test-1:${bytes.toString('base64url')}]`, { path: 'db.password' }))
    expect(error).toMatchObject({ code: 'SD_MALFORMED', message: expect.stringContaining('unknown version 3') })
  })

  test('noise: an SdError, never a crash', async () => {
    const body = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('base64url'))
    const plausible = fc
      .tuple(fc.integer({ min: 0, max: 70 }), fc.uint8Array({ maxLength: 150 }))
      .map(([length, bytes]) => Buffer.concat([Buffer.from([1, 0, length]), bytes]).toString('base64url'))
    const noise = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map((text) => `ENC[${text}]`),
      fc.oneof(body, plausible).map((text) => `ENC[test-1:${text}]`),
    )
    await fc.assert(
      fc.asyncProperty(noise, fc.string(), async (text, path) => {
        await failureOf(decrypt(text, { path, key: 'a.yaml', source: 'memory' }))
      }),
      { numRuns: 2_000 },
    )
  })

  test('spliced parts of valid ciphertexts', async () => {
    const bodies = vectors.map(({ ciphertext: text }) => Buffer.from(text.slice('ENC[test-1:'.length, -1), 'base64url'))
    for (const head of bodies) {
      for (const tail of bodies) {
        if (head === tail) continue
        const spliced = Buffer.concat([head.subarray(0, 63), tail.subarray(63)]).toString('base64url')
        const error = await failureOf(decrypt(`ENC[test-1:${spliced}]`, { path: 'db.password' }))
        expect(error.code).toBe('SD_DENIED')
      }
    }
  })

  test('bytes that are not UTF-8', async () => {
    const dataKey = new Uint8Array(32)
    const sealed = seal(dataKey, new Uint8Array(12), 'sd-config-crypto/1/value/a', Uint8Array.of(0xff, 0xfe))
    const text = formatEnvelope({ version: 1, ...(await keys.wrap(dataKey)), sealed })
    expect((await failureOf(decryptValue(text, { keys, path: 'a' }))).code).toBe('SD_MALFORMED')
  })

  test('a text that is too long', async () => {
    const error = await failureOf(encryptValue('x'.repeat(1_048_577), { keys, path: 'a' }))
    expect(error).toMatchObject({ code: 'SD_TOO_LARGE' })
  })

  test.each([
    ['plaintext', () => encryptValue(7 as never, { keys, path: 'a' })],
    ['plaintext', () => encryptValue('\ud800', { keys, path: 'a' })],
    ['path', () => encryptValue('', { keys, path: 'x'.repeat(2_000) })],
    ['key', () => encryptValue('', { keys, path: '' })],
    ['key', () => encryptDocument('', { keys, key: '../a' })],
    ['keys', () => encryptDocument('', { key: 'a' } as never)],
    ['source', () => encryptValue('', { keys, path: 'a', source: 'x' } as never)],
  ])('an argument that is wrong: %s', async (field, run) => {
    expect(await failureOf(run())).toMatchObject({ code: 'SD_INVALID', field })
  })
})

import assert from 'node:assert/strict'
import { describe, expect, test, vi } from 'vitest'
import { md5Of, readDataKey, type StoredText } from './config-api.ts'
import { type NacosEncryption, type Place, resolveNacosConfigSourceOptions } from './options.ts'
import { reverse } from './testing/reverse.ts'
import { createTextEncryption, type TextEncryption } from './text-encryption.ts'

const place: Place = { key: 'cipher-reverse-db', dataId: 'cipher-reverse-db', group: 'G', format: undefined }
const plainPlace: Place = { ...place, key: 'db', dataId: 'db' }
const sealed: StoredText = { content: 'terces', encryptedDataKey: 'yek', md5: undefined, type: undefined, updatedAt: undefined }
const open: StoredText = { ...sealed, content: 'open', encryptedDataKey: undefined }

function create(encryption?: NacosEncryption): TextEncryption {
  return createTextEncryption(resolveNacosConfigSourceOptions({ dataIds: ['a'], ...(encryption && { encryption }) }))
}

describe('texts that clients encrypt', () => {
  test('are decrypted once, until they change', async () => {
    const decrypt = vi.fn(reverse.decrypt)
    const texts = create({ decrypt })
    for (let round = 0; round < 3; round++) expect(await texts.open(place, sealed)).toBe('secret')
    expect(decrypt.mock.calls).toEqual([
      [{ dataId: 'cipher-reverse-db', group: 'G', content: 'terces', encryptedDataKey: 'yek' }],
    ])
    expect(await texts.open(place, { ...sealed, content: 'owt' })).toBe('two')
    expect(await texts.open(place, open)).toBe('open')
    expect(decrypt).toHaveBeenCalledTimes(2)
  })

  test('are malformed without functions, or if they fail, and errors contain neither text nor key', async () => {
    const broken: NacosEncryption['decrypt'] = () => Promise.reject(new Error('wrong key'))
    for (const encryption of [undefined, { decrypt: broken }, { decrypt: () => 1 as never }]) {
      await assert.rejects(create(encryption).open(place, sealed), (error: Error & { code?: string; retryable?: boolean }) => {
        expect(error).toMatchObject({ code: 'SD_MALFORMED', retryable: true, message: expect.stringContaining(place.key) })
        assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /terces|yek/)
        return true
      })
    }
  })

  test('are encrypted if the data id or the text that Nacos has demands it', async () => {
    const texts = create(reverse)
    const written = { content: 'txet', encryptedDataKey: 'txet fo yek' }
    expect(await texts.seal(place, 'text', undefined)).toEqual(written)
    expect(await texts.seal(place, 'text', open)).toEqual(written)
    expect(await texts.seal(plainPlace, 'text', sealed)).toEqual({ ...written, encryptedDataKey: 'yek' })
    expect(await texts.seal(plainPlace, 'text', open)).toEqual({ content: 'text' })
    await assert.rejects(create({ ...reverse, encrypt: () => ({}) as never }).seal(place, 'text', open), { code: 'SD_INVALID' })
  })

  test('are not replaced by plain ones', async () => {
    for (const encryption of [undefined, { decrypt: reverse.decrypt }]) {
      await assert.rejects(create(encryption).seal(place, 'text', sealed), {
        code: 'SD_UNSUPPORTED',
        message: /encryption\.encrypt/,
      })
      // The server may have the plugin, and encrypts a new text itself.
      expect(await create(encryption).seal(place, 'text', undefined)).toEqual({ content: 'text' })
    }
  })

  test('are recognised by their MD5: HTTP APIs also report the key of a text that the server has decrypted', () => {
    expect(readDataKey('terces', md5Of('terces'), 'yek')).toBe('yek')
    expect(readDataKey('terces', undefined, 'yek')).toBe('yek')
    expect(readDataKey('secret', md5Of('terces'), 'yek')).toBeUndefined()
    for (const none of ['', null, undefined]) expect(readDataKey('text', md5Of('text'), none)).toBeUndefined()
  })
})
